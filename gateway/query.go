package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"golang.org/x/term"

	"revox-graphql/gateway/auth"
	"revox-graphql/gateway/config"
	"revox-graphql/gateway/export"
	"revox-graphql/gateway/remote"
	"revox-graphql/graph/generated"
	"revox-graphql/graph/pagination"
	"revox-graphql/internal/middleware"
	"revox-graphql/upstream"
	"revox-graphql/upstream/verify"
)

// queryCacheBytes is the page cache of one query or one walk, which never reads a page again: a few pages of the
// largest calls.
const queryCacheBytes = 16 << 20

// errResponse is the reason for an exit status other than 0 although there is a response.
var errResponse = errors.New("the response has errors")

// demoSource is the source of made-up calls.
const demoSource = "demo"

// source executes the requests of a query: the engine in this process, or another gateway.
type source struct {
	ask func(ctx context.Context, request []byte) ([]byte, error)
	// name tells the list and its reader apart from others: [demoSource] for made-up calls.
	name string
	// pageSize is the largest page; 0 if that is unknown.
	pageSize int
	// known and assume are those of [export.Options]; nil for another gateway, which knows for itself.
	known  func() []byte
	assume func(known []byte)
	close  func()
}

// run is the command.
func (q *queryOptions) run(ctx context.Context, s *config.Settings, stdout, stderr io.Writer) error {
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: generated.SDL()})
	if err != nil {
		return err
	}
	request, err := q.request(schema, os.Stdin)
	if err != nil {
		return &export.UsageError{Err: err}
	}
	terminal := newTerminal(stderr)
	var from *source
	if q.URL != "" {
		from, err = q.remote(ctx, terminal)
	} else {
		from, err = q.engine(ctx, s, terminal)
	}
	if err != nil {
		return err
	}
	defer from.close()
	switch {
	case from.name != demoSource:
	case q.URL != "":
		terminal.notify("that gateway serves made-up demo calls")
	default:
		terminal.notify("these are made-up demo calls: set REVOX_API_KEY to see your own")
	}
	if !q.All {
		err = execute(ctx, from.ask, request, q.Pretty || isTerminal(stdout), stdout)
	} else {
		err = q.walk(ctx, &export.Options{
			Ask: from.ask, Schema: schema, Request: *request, Source: from.name,
			PageSize: min(q.PageSize, cmp.Or(from.pageSize, q.PageSize)), Known: from.known, Assume: from.assume,
		}, terminal, stdout)
	}
	if output, ok := stdout.(io.Closer); ok { // some file systems report a full disk only then
		err = errors.Join(err, output.Close())
	}
	return err
}

// engine returns the engine that would serve, in this process and without a listener.
func (q *queryOptions) engine(ctx context.Context, s *config.Settings, log io.Writer) (*source, error) {
	s.CacheBytes, s.ResponseBytes = queryCacheBytes, 0
	if q.Stats { // the limits are for clients of a server: this one wants the whole list counted
		s.MaxScanPages, s.UpstreamMaxRequests, s.MaxCost = 10_000, 10_000, 100_000_000
	}
	stopDemo := func() {}
	if s.Demo {
		var err error
		if stopDemo, err = startDemo(ctx, s, slog.Default()); err != nil {
			return nil, err
		}
	}
	var walk *pagination.Walk // nil: a single request
	if q.All {
		walk = pagination.NewWalk(!q.Update) // an update mostly ends with the first page
	}
	engine, err := newEngine(
		s,
		nil,
		prometheus.NewRegistry(),
		nil,
		walk,
		slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	)
	stop := func() {
		walk.Close()
		stopDemo()
	}
	if err != nil {
		stop()
		return nil, err
	}
	key := s.Key.Current(slog.Default())
	from := &source{
		ask:  inMemory(middleware.RequestID(engine.graphQL)),
		name: s.BaseURL.Redacted() + " " + key.Fingerprint("export"), pageSize: s.MaxPageSize,
		known: func() []byte {
			findings, ok := engine.client.Findings(key)
			if !ok {
				return nil
			}
			text, _ := json.Marshal(findings) // of numbers and a time
			return text
		},
		assume: func(known []byte) {
			var findings verify.Findings
			if json.Unmarshal(known, &findings) == nil { // else it is found out again
				engine.client.Assume(key, findings)
			}
		},
		close: func() {
			engine.stop()
			stop()
		},
	}
	if s.Demo {
		from.name = demoSource
	}
	return from, nil
}

// remote returns a gateway that runs already. A walk asks it first whether its calls are made up, and waits for a
// gateway that cannot be reached as it waits for a page.
func (q *queryOptions) remote(ctx context.Context, terminal *terminal) (*source, error) {
	if q.Token != "" {
		if err := auth.CheckToken(q.Token); err != nil {
			return nil, &export.UsageError{Err: fmt.Errorf("--token (%s) %w", tokenVariable, err)}
		}
	}
	gateway, err := remote.New(q.URL, q.Token)
	if err != nil {
		return nil, &export.UsageError{Err: fmt.Errorf("--url %w", err)}
	}
	from := &source{
		ask: gateway.Ask, name: gateway.String() + " " + upstream.NewCredential(q.Token).Fingerprint("export"),
		close: func() {},
	}
	if q.All {
		var demo bool
		err := export.Retry(ctx, q.MaxWait, terminal.notify, func() (err error) {
			demo, err = gateway.Demo(ctx)
			return err
		})
		if err != nil {
			return nil, err
		}
		if demo {
			from.name = demoSource
		}
	}
	return from, nil
}

// tableColumns are the columns of a table where neither a document nor --columns names any: those that fit a screen.
func tableColumns() []string {
	return []string{"id", "status", "result", "startedAt", "durationSeconds", "phoneNumber"}
}

// walk writes all calls to standard output or to a file.
func (q *queryOptions) walk(ctx context.Context, o *export.Options, terminal *terminal, stdout io.Writer) error {
	o.MaxWait, o.After, o.Since = q.MaxWait, q.After, q.since
	o.Rows = export.RowOptions{Format: export.Format(q.Format), Columns: q.Columns, Header: q.Header, BOM: q.BOM}
	o.Notify = terminal.notify
	info, err := os.Stat(q.Out)
	if q.Update {
		return q.bringUpToDate(ctx, o, info, stdout)
	}
	direct := q.Out == "" || err == nil && isOutput(info, stdout)
	if q.Progress && terminal.shows && (!direct || !isTerminal(stdout)) {
		o.Progress = terminal
		defer terminal.end()
	}
	switch {
	case direct:
		return export.Walk(ctx, o, stdout)
	case err == nil && info.IsDir():
		return &export.UsageError{Err: fmt.Errorf("--out %s is a directory: name a file in it", q.Out)}
	case err == nil && info.Mode().IsRegular() && info.Size() > 0 && o.Source == demoSource:
		return &export.UsageError{Err: fmt.Errorf("--out %s exists, and made-up demo calls would replace it: "+
			"write your own calls, or remove the file", q.Out)}
	case err == nil && !info.Mode().IsRegular(): // a walk to a pipe or a device cannot be resumed
		device, err := os.OpenFile(q.Out, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(export.Walk(ctx, o, device), device.Close())
	default:
		return export.WalkFile(ctx, o, q.Out)
	}
}

// bringUpToDate updates a file; info is nil where there is none. It shows no progress: how many calls are new is not
// known.
func (q *queryOptions) bringUpToDate(
	ctx context.Context, o *export.Options, info os.FileInfo, stdout io.Writer,
) error {
	switch {
	case info != nil && !info.Mode().IsRegular():
		return &export.UsageError{Err: fmt.Errorf("--out %s is no file, and --update brings a file up to date", q.Out)}
	case info != nil && o.Source == demoSource:
		return &export.UsageError{Err: fmt.Errorf("--out %s exists, and made-up demo calls would be added: "+
			"set REVOX_API_KEY to add your own", q.Out)}
	}
	u := export.UpdateOptions{Grace: q.Grace}
	switch changes, err := os.Stat(q.Changes); {
	case q.Changes == "-" || err == nil && isOutput(changes, stdout):
		u.ChangesTo = stdout
	case err == nil && changes.IsDir():
		return &export.UsageError{Err: fmt.Errorf("--changes %s is a directory: name a file in it", q.Changes)}
	case err == nil && !changes.Mode().IsRegular():
		device, err := os.OpenFile(q.Changes, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		u.ChangesTo = device
		return errors.Join(export.UpdateFile(ctx, o, q.Out, u), device.Close())
	default:
		u.Changes = q.Changes
	}
	return export.UpdateFile(ctx, o, q.Out, u)
}

// isOutput reports whether a file is standard output, as /dev/stdout is.
func isOutput(info os.FileInfo, stdout io.Writer) bool {
	file, ok := stdout.(*os.File)
	if !ok {
		return false
	}
	output, err := file.Stat()
	return err == nil && os.SameFile(info, output)
}

// request returns the GraphQL request.
func (q *queryOptions) request(schema *ast.Schema, stdin io.Reader) (*export.Request, error) {
	r := &export.Request{Query: q.Document, OperationName: q.Operation, Variables: map[string]jsontext.Value{}}
	if q.File != "" {
		text, err := read(q.File, stdin)
		if err != nil {
			return nil, fmt.Errorf("the document: %w", err)
		}
		r.Query = string(text)
	}
	if q.Stats {
		if err := q.variables(r, stdin); err != nil {
			return nil, err
		}
		r.Query = export.Count(schema, r.Variables)
		return r, checkNames(schema.Query.Fields.ForName("callStats"), r.Variables)
	}
	if strings.TrimSpace(r.Query) == "" {
		if !q.All || q.File != "" || q.Document != "" {
			return nil, errors.New("the document is empty")
		}
		if q.Format == string(export.Table) && len(q.Columns) == 0 {
			q.Columns = tableColumns()
		}
		var needed []string
		if q.Since != "" {
			needed = append(needed, "startedAt")
		}
		var err error
		if r.Query, err = export.Compose(schema, q.Columns, needed...); err != nil {
			return nil, err
		}
	}
	if err := q.variables(r, stdin); err != nil || q.All { // a walk checks them itself, with their values
		return r, err
	}
	return r, export.CheckNames(r)
}

// checkNames rejects variables that are no arguments of a field. GraphQL ignores variables that a document does not
// have, and then a misspelt one would count other calls than those requested.
func checkNames(field *ast.FieldDefinition, variables map[string]jsontext.Value) error {
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if field.Arguments.ForName(name) != nil {
			continue
		}
		names := make([]string, len(field.Arguments))
		for i, argument := range field.Arguments {
			names[i] = argument.Name
		}
		return fmt.Errorf("there is no variable %s: the variables of %s are %s",
			name, field.Name, strings.Join(names, ", "))
	}
	return nil
}

// variables sets the variables of a request.
func (q *queryOptions) variables(r *export.Request, stdin io.Reader) error {
	if q.Variables != "" {
		text := []byte(q.Variables)
		var err error
		if begin := strings.TrimSpace(q.Variables); !strings.HasPrefix(begin, "{") && !strings.HasPrefix(begin, "[") {
			if text, err = read(q.Variables, stdin); err != nil {
				return fmt.Errorf("--variables: %w", err)
			}
		}
		if err := json.Unmarshal(text, &r.Variables); err != nil {
			return fmt.Errorf("--variables must be a JSON object: %w", err)
		}
	}
	more, err := q.vars()
	if err != nil {
		return err
	}
	if r.Variables == nil { // "null"
		return errors.New("--variables must be a JSON object, and is null")
	}
	maps.Copy(r.Variables, more)
	if q.Filter == "" {
		return nil
	}
	if !json.Valid([]byte(q.Filter)) {
		return fmt.Errorf("--filter is not JSON: %s", q.Filter)
	}
	if _, twice := r.Variables["filter"]; twice {
		return errors.New("--filter and the variable filter are the same: give one of them")
	}
	r.Variables["filter"] = jsontext.Value(q.Filter)
	return nil
}

// vars returns the variables of --var.
func (q *queryOptions) vars() (map[string]jsontext.Value, error) {
	variables := map[string]jsontext.Value{}
	for _, pair := range q.Var {
		name, value, ok := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("--var must be NAME=JSON, and is %q", pair)
		}
		if !json.Valid([]byte(value)) {
			return nil, fmt.Errorf("--var %s is not JSON: %s; a string needs quotes, like --var '%s=\"…\"'", name, value, name)
		}
		if _, twice := variables[name]; twice {
			return nil, fmt.Errorf("--var %s is set twice", name)
		}
		variables[name] = jsontext.Value(value)
	}
	return variables, nil
}

// read reads a file; - is standard input.
func read(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name) //nolint:gosec // the user names it
}

// execute sends one request, and prints the response.
func execute(
	ctx context.Context,
	ask func(context.Context, []byte) ([]byte, error),
	request *export.Request,
	pretty bool,
	stdout io.Writer,
) error {
	text, err := json.Marshal(request)
	if err != nil {
		return err
	}
	body, err := ask(ctx, text)
	if err != nil {
		return err
	}
	var response struct{ Errors []json.RawMessage }
	if err := json.Unmarshal(body, &response); err != nil {
		return fmt.Errorf("the response cannot be read: %w", err)
	}
	var out bytes.Buffer
	if pretty {
		err = json.Indent(&out, body, "", "  ")
	} else {
		err = json.Compact(&out, body)
	}
	out.WriteByte('\n')
	if _, failed := stdout.Write(out.Bytes()); failed != nil || err != nil {
		return errors.Join(failed, err)
	}
	if len(response.Errors) > 0 {
		return errResponse
	}
	return nil
}

// inMemory sends requests to a handler without a network.
func inMemory(handler http.Handler) func(context.Context, []byte) ([]byte, error) {
	return func(ctx context.Context, request []byte) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, middleware.GraphQL, bytes.NewReader(request))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/graphql-response+json")
		w := &memoryWriter{header: http.Header{}}
		handler.ServeHTTP(w, r)
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		return w.Bytes(), nil
	}
}

// memoryWriter is an [http.ResponseWriter] that keeps the body, which holds GraphQL's errors too.
type memoryWriter struct {
	header http.Header
	bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (w *memoryWriter) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (*memoryWriter) WriteHeader(int) {}

// isTerminal reports whether a writer is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
