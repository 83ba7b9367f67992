package graph

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"revox-graphql/graph/pagination"
	"revox-graphql/graph/responsecache"
)

// A response with errors or extensions is written around its data, which stays where it is: a copy of many megabytes
// would be in no memory budget.
func TestDataIsNotCopied(t *testing.T) {
	errs := gqlerror.List{{Message: "m"}}
	extensions := map[string]any{"stale": 7}
	for want, result := range map[string]*graphql.Response{
		`{"errors":[{"message":"m"}],"data":{"a":1}}`:                          {Errors: errs},
		`{"data":{"a":1},"extensions":{"stale":7}}`:                            {Extensions: extensions},
		`{"errors":[{"message":"m"}],"data":{"a":1},"extensions":{"stale":7}}`: {Errors: errs, Extensions: extensions},
	} {
		w := httptest.NewRecorder()
		x := &exchange{
			w: w, r: httptest.NewRequest(http.MethodPost, "/graphql", http.NoBody), contentType: applicationJSON,
			report: &Report{}, buffer: bytes.NewBufferString(openData + `{"a":1}`),
		}
		made := &responsecache.Response{Reads: &pagination.Reads{}}
		x.surround(made, result)
		if data := x.buffer.Bytes(); &made.Body[len(made.Body)-1] != &data[len(data)-1] {
			t.Errorf("%s: the data was copied", want)
		}
		if held := x.held(); held < x.buffer.Cap()+len(x.head)+len(x.tail) {
			t.Errorf("%s: only %d bytes are held", want, held)
		}
		x.respond(made)
		if got := w.Body.String(); got != want || w.Header().Get("Content-Length") != strconv.Itoa(len(want)) {
			t.Errorf("got %v %s, want %s", w.Header(), got, want)
		}
	}
}
