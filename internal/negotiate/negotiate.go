// Package negotiate chooses the media type and the content coding of a response by what the client accepts (RFC 9110
// §12.5).
package negotiate

import (
	"cmp"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// MediaType chooses one of the offered media types by the values of Accept (RFC 9110 §12.5.1), and reports whether the
// client accepts any. Of offers with the same quality, it chooses the one that the client names first, and then the
// one that is offered first. Without a header, or with one that lists nothing, it chooses the first offer.
func MediaType(accept []string, offers ...string) (mediaType string, ok bool) {
	listed := strings.Join(accept, ",")
	if strings.Trim(listed, ", \t") == "" {
		return offers[0], true
	}
	type wish struct {
		offer       string
		quality     float64
		specificity int // of the range that set the quality: 2 for a media type, 1 for type/*, 0 for */*
		place       int // where the client names the media type itself
	}
	wishes := make([]wish, len(offers))
	for i, offer := range offers {
		wishes[i] = wish{offer: offer, specificity: -1, place: len(listed)}
	}
	place := 0
	for part := range strings.SplitSeq(listed, ",") {
		named, attributes, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		quality := 1.0
		if text, given := attributes["q"]; given {
			if quality, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		place++
		for i := range wishes {
			w := &wishes[i]
			specificity := matches(named, w.offer)
			if specificity >= 0 && specificity >= w.specificity {
				w.quality, w.specificity = quality, specificity
			}
			if specificity == 2 {
				w.place = min(w.place, place)
			}
		}
	}
	best := slices.MinFunc(wishes, func(a, b wish) int {
		return cmp.Or(-cmp.Compare(a.quality, b.quality), cmp.Compare(a.place, b.place))
	})
	if best.quality <= 0 {
		return "", false
	}
	return best.offer, true
}

// matches returns how specific a media range is for a media type; -1 if it does not match.
func matches(mediaRange, mediaType string) int {
	major, _, _ := strings.Cut(mediaType, "/")
	switch mediaRange {
	case mediaType:
		return 2
	case major + "/*":
		return 1
	case "*/*":
		return 0
	default:
		return -1
	}
}

// Encoding chooses one of the offered content codings by the values of Accept-Encoding (RFC 9110 §12.5.3): the first
// one of those with the same weight. It returns "" for a response without a coding: the client prefers that, accepts
// no offer, or sends no header. A client that rejects identity too still gets such a response, which the RFC allows.
func Encoding(accept []string, offers ...string) string {
	if len(accept) == 0 {
		return ""
	}
	others, _ := quality(accept, "*")
	best, bestQuality := "", 0.0
	for _, coding := range offers {
		wanted, named := quality(accept, coding)
		if !named {
			wanted = others
		}
		if wanted > bestQuality {
			best, bestQuality = coding, wanted
		}
	}
	if plain, _ := quality(accept, "identity"); plain > bestQuality {
		return ""
	}
	return best
}

// quality returns the weight of a coding, from 0 (not accepted) to 1, and whether the client names it. A weight that
// is no number from 0 to 1 counts as 0, so that a coding is sent only to a client that is sure to accept it.
func quality(accept []string, coding string) (wanted float64, named bool) {
	for _, value := range accept {
		for item := range strings.SplitSeq(value, ",") {
			name, parameters, _ := strings.Cut(item, ";")
			name = strings.TrimSpace(name)
			if strings.EqualFold(name, coding) || coding == "gzip" && strings.EqualFold(name, "x-gzip") { // RFC 9110 §8.4.1.3
				wanted, named = weight(parameters), true
			}
		}
	}
	return wanted, named
}

func weight(parameters string) float64 {
	name, value, found := strings.Cut(parameters, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(name), "q") {
		return 1
	}
	quality, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(quality >= 0 && quality <= 1) {
		return 0
	}
	return quality
}
