package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// trustedDocuments is a file of all documents that may run. It is read again when it has changed, by whichever request comes
// first; the others go on with what is known. A change that cannot be used is logged, and the old documents stay.
type trustedDocuments struct {
	path     string
	check    func(text string) (*document, gqlerror.List)
	log      *slog.Logger
	known    atomic.Pointer[manifest]
	lookedAt atomic.Int64 // in nanoseconds of Unix time

	mu       sync.Mutex // held while looking
	modified time.Time
	size     int64
}

// manifest is what the file had when it was read.
type manifest struct {
	documents map[string]*document
	version   int // counts the times it was read: answers of another version are not given again
}

// lookAgain is how often the file is looked at, at most.
const lookAgain = time.Second

func openTrustedDocuments(path string, c *checker, log *slog.Logger) (*trustedDocuments, error) {
	t := &trustedDocuments{path: path, check: c.check, log: log}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	t.modified, t.size = info.ModTime(), info.Size()
	documents, err := t.read()
	if err != nil {
		return nil, err
	}
	t.known.Store(&manifest{documents: documents, version: 1})
	t.lookedAt.Store(time.Now().UnixNano())
	return t, nil
}

// current is the manifest that holds now; nil on nil.
func (t *trustedDocuments) current() *manifest {
	if t == nil {
		return nil
	}
	now := time.Now().UnixNano()
	if now-t.lookedAt.Load() >= int64(lookAgain) && t.mu.TryLock() {
		t.look()
		t.lookedAt.Store(now)
		t.mu.Unlock()
	}
	return t.known.Load()
}

func (t *trustedDocuments) look() {
	info, err := os.Stat(t.path)
	if err != nil {
		if !t.modified.IsZero() { // said once
			t.log.Error("the trusted documents cannot be read: those from before stay", "error", err)
		}
		t.modified = time.Time{}
		return
	}
	if info.ModTime().Equal(t.modified) && info.Size() == t.size {
		return
	}
	t.modified, t.size = info.ModTime(), info.Size()
	documents, err := t.read()
	if err != nil {
		t.log.Error("the trusted documents cannot be used: those from before stay", "error", err)
		return
	}
	t.known.Store(&manifest{documents, t.known.Load().version + 1})
	t.log.Info("the trusted documents have changed", "documents", len(documents))
}

func (t *trustedDocuments) read() (map[string]*document, error) {
	content, err := os.ReadFile(t.path)
	if err != nil {
		return nil, err
	}
	texts, err := readManifest(content)
	if err != nil {
		return nil, err
	}
	documents := make(map[string]*document, len(texts))
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		document, errs := t.check(texts[id])
		if errs != nil {
			return nil, fmt.Errorf("the document with the id %q cannot run: %s", id, errs[0].Message)
		}
		documents[id] = document
	}
	return documents, nil
}

const apolloManifest = "apollo-persisted-query-manifest"

// readManifest reads documents by their ids, in Apollo's format, graphql-codegen's, or Relay's. Each makes ids in its own way,
// so an id is taken as it is, but for the `sha256:` that codegen may put before it.
func readManifest(content []byte) (map[string]string, error) {
	var apollo struct {
		Format     string
		Version    int
		Operations []struct{ ID, Body string }
	}
	texts := map[string]string{}
	if err := json.Unmarshal(content, &apollo); err == nil && apollo.Format == apolloManifest {
		if apollo.Version != 1 {
			return nil, fmt.Errorf("the manifest has the version %d, and 1 is known", apollo.Version)
		}
		for _, operation := range apollo.Operations {
			if text, twice := texts[operation.ID]; twice && text != operation.Body {
				return nil, fmt.Errorf("two documents have the id %q", operation.ID)
			}
			texts[operation.ID] = operation.Body
		}
	} else if err := json.Unmarshal(content, &texts); err != nil {
		return nil, errors.New("the manifest is neither Apollo's nor an object of documents by their ids")
	}
	for id, text := range texts {
		if rest, ok := strings.CutPrefix(id, "sha256:"); ok {
			delete(texts, id)
			texts[rest] = text
		}
	}
	if _, unnamed := texts[""]; unnamed || len(texts) == 0 {
		return nil, errors.New("the manifest has no documents, or one without an id")
	}
	return texts, nil
}

// find is the document that a request names, by hash or by id.
func (m *manifest) find(hash string, p *params) (*document, *refusal) {
	id := hash
	if id == "" {
		id = p.documentID
	}
	if id == "" {
		return nil, refuse(0, codePersistedRequired, "This gateway runs trusted documents only: send the id of one, not its text.")
	}
	if document := m.documents[strings.TrimPrefix(id, "sha256:")]; document != nil {
		return document, nil
	}
	if hash != "" { // a client of automatic persisted queries must not go on to send the text
		return nil, refusePersisted(codePersistedNotSupported, "PersistedQueryNotSupported")
	}
	return nil, refusePersisted(codePersistedNotFound, "No trusted document has this id.")
}
