package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"revox-graphql/internal/reload"
)

// trustedDocuments is the file of all documents that may run. The gateway reads it again when it has changed.
type trustedDocuments struct {
	file *reload.File[*Manifest]
	log  *slog.Logger
}

// Manifest is the content of the file of trusted documents at the time it was read.
type Manifest struct {
	documents map[string]*Document
	version   int // how often the file was read: responses of another version are not sent again
}

// maxManifest bounds the file, in bytes: a thousand documents of ten kilobytes take a sixth of that.
const maxManifest = 64 << 20

func openTrustedDocuments(path string, c *checker, log *slog.Logger) (*trustedDocuments, error) {
	versions := 0 // needs no lock: Parse is never called concurrently
	file, err := reload.Open(path, reload.Options[*Manifest]{
		Parse: func(content []byte) (*Manifest, error) {
			documents, err := checkManifest(content, c)
			versions++
			return &Manifest{documents, versions}, err
		},
		Entries:  func(m *Manifest) int { return len(m.documents) },
		MaxBytes: maxManifest,
	})
	if err != nil {
		return nil, err
	}
	return &trustedDocuments{file, log}, nil
}

// current returns the current manifest; nil for nil.
func (t *trustedDocuments) current() *Manifest {
	if t == nil {
		return nil
	}
	return t.file.Current(t.log)
}

func checkManifest(content []byte, c *checker) (map[string]*Document, error) {
	texts, err := readManifest(content)
	if err != nil {
		return nil, err
	}
	documents := make(map[string]*Document, len(texts))
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		document, errs := c.check(texts[id])
		if errs != nil {
			return nil, fmt.Errorf("has a document with the id %q that cannot run: %s", id, errs[0].Message)
		}
		documents[id] = document
	}
	return documents, nil
}

const apolloManifest = "apollo-persisted-query-manifest"

// readManifest reads documents by their ids, in Apollo's format, graphql-codegen's, or Relay's. Each tool makes ids in
// its own way, so an id stays as it is, except for the prefix `sha256:` that codegen may add.
func readManifest(content []byte) (map[string]string, error) {
	var apollo struct {
		Format     string
		Version    int
		Operations []struct{ ID, Body string }
	}
	texts := map[string]string{}
	if err := json.Unmarshal(content, &apollo); err == nil && apollo.Format == apolloManifest {
		if apollo.Version != 1 {
			return nil, fmt.Errorf("is a manifest of the version %d, and 1 is known", apollo.Version)
		}
		for _, operation := range apollo.Operations {
			if text, twice := texts[operation.ID]; twice && text != operation.Body {
				return nil, fmt.Errorf("has two documents with the id %q", operation.ID)
			}
			texts[operation.ID] = operation.Body
		}
	} else if err := json.Unmarshal(content, &texts); err != nil {
		return nil, errors.New("is neither Apollo's manifest nor an object of documents by their ids")
	}
	for id, text := range texts {
		if rest, ok := strings.CutPrefix(id, "sha256:"); ok {
			delete(texts, id)
			texts[rest] = text
		}
	}
	if _, unnamed := texts[""]; unnamed || len(texts) == 0 {
		return nil, errors.New("has no documents, or one without an id")
	}
	return texts, nil
}

// Version returns the number of this reading of the file, from 1; 0 for nil.
func (m *Manifest) Version() int {
	if m == nil {
		return 0
	}
	return m.version
}

// find returns the document that a request names by hash or by id. Its errors are ErrNotTrusted, ErrHashNotSupported
// and ErrIDUnknown.
func (m *Manifest) find(hash, id string) (*Document, error) {
	if hash != "" {
		id = hash
	}
	if id == "" {
		return nil, ErrNotTrusted
	}
	if document := m.documents[strings.TrimPrefix(id, "sha256:")]; document != nil {
		return document, nil
	}
	if hash != "" { // with ErrHashUnknown, the client would send the text
		return nil, ErrHashNotSupported
	}
	return nil, ErrIDUnknown
}
