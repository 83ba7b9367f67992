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

// trustedDocuments is a file of all documents that may run, which is read again when it has changed.
type trustedDocuments struct {
	file *reload.File[*Manifest]
	log  *slog.Logger
}

// Manifest is the content of the file of trusted documents at the time it was read.
type Manifest struct {
	documents map[string]*Document
	version   int // counts the times it was read: responses of another version are not sent again
}

// maxManifest bounds the file, in bytes: a thousand documents of ten kilobytes have a sixth of it.
const maxManifest = 64 << 20

func openTrustedDocuments(path string, c *checker, log *slog.Logger) (*trustedDocuments, error) {
	versions := 0 // nothing is parsed twice at once
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

// current is the manifest that holds now; nil on nil.
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

// readManifest reads documents by their ids, in Apollo's format, graphql-codegen's, or Relay's. Each makes ids in its
// own way, so an id is taken as it is, but for the `sha256:` that codegen may put before it.
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

// Version counts how often the file was read; 0 on nil.
func (m *Manifest) Version() int {
	if m == nil {
		return 0
	}
	return m.version
}

// find is the document that a request names, by hash or by id.
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
	if hash != "" { // a client of automatic persisted queries must not then send the text
		return nil, ErrHashNotSupported
	}
	return nil, ErrIDUnknown
}
