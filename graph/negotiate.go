package graph

import (
	"mime"
	"strconv"
	"strings"
)

// The two media types of an answer.
const (
	applicationJSON     = "application/json"
	applicationResponse = "application/graphql-response+json"
)

// negotiate chooses the media type of the answer by the client's preference (RFC 9110 §12.5.1). Media types that are not
// served do not matter: urql lists text/event-stream with every query. Between equals it is the one that the client
// names first, and for wildcards application/json, as the draft asks.
// A header that lists nothing is like none.
func negotiate(accept []string) (contentType string, ok bool) {
	listed := strings.Join(accept, ",")
	if strings.Trim(listed, ", \t") == "" {
		return applicationJSON, true
	}
	quality := map[string]float64{}
	specificity := map[string]int{}
	first := ""
	for part := range strings.SplitSeq(listed, ",") {
		mediaType, attributes, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, given := attributes["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		specific := 2 - strings.Count(mediaType, "*")
		for _, served := range []string{applicationJSON, applicationResponse} {
			matches := mediaType == served || mediaType == "application/*" || mediaType == "*/*"
			if !matches || specific < specificity[served] {
				continue
			}
			quality[served], specificity[served] = q, specific
			if first == "" && mediaType == served {
				first = served
			}
		}
	}
	json, response := quality[applicationJSON], quality[applicationResponse]
	switch {
	case json <= 0 && response <= 0:
		return "", false
	case response > json, response == json && first == applicationResponse:
		return applicationResponse, true
	default:
		return applicationJSON, true
	}
}

// The encodings of an answer, the one that makes it smallest first.
const (
	encodingBrotli = "br"
	encodingGzip   = "gzip"
)

// negotiateEncoding chooses the encoding of the answer (RFC 9110 §12.5.3), "" for none. Between equals it is the one that
// makes it smaller.
func negotiateEncoding(accept []string) string {
	if len(accept) == 0 {
		return ""
	}
	brotli, gzip, others := -1.0, -1.0, 0.0
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, parameters, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q="); ok {
			var err error
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case encodingBrotli:
			brotli = q
		case encodingGzip, "x-gzip":
			gzip = q
		case "*":
			others = q
		}
	}
	if brotli < 0 {
		brotli = others
	}
	if gzip < 0 {
		gzip = others
	}
	switch {
	case brotli > 0 && brotli >= gzip:
		return encodingBrotli
	case gzip > 0:
		return encodingGzip
	default:
		return ""
	}
}
