package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"revox-graphql/internal/errcode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
)

// Options are the options of a walk.
type Options struct {
	// Ask executes a GraphQL request, from JSON to JSON. The walk sends one request at a time, and keeps parts of the
	// response.
	Ask    func(ctx context.Context, request []byte) (response []byte, err error)
	Schema *ast.Schema
	// Request selects `calls`.
	Request Request
	// After is the cursor to begin after; without one, the walk begins at the request's own, or at the beginning of the
	// list.
	After string
	// Since, unless it is zero, leaves out calls that started before it. The walk ends with the page on which 100 started
	// calls in a row started before Since, because the order of a list is only roughly that of the start times. Calls
	// that have not started are written. The request must select `startedAt`.
	Since time.Time
	// PageSize is the number of calls per page, unless the request has its own.
	PageSize int
	Rows     RowOptions
	// Source identifies the list and its reader: a walk of another source does not resume this one.
	Source string
	// Known returns what is known about upstream, as JSON, or nil. A walk to a file saves it with its position. The run
	// that resumes the walk calls Assume with it, before the first request. Both functions may be nil.
	Known  func() []byte
	Assume func(known []byte)
	// MaxWait is how long the walk waits for one page while upstream fails or rejects requests; see [Retry].
	MaxWait time.Duration
	// Progress shows the progress of the walk, unless it is nil.
	Progress Progress
	// Notify gets a line for each failure that does not end the walk.
	Notify func(line string)
}

// Progress shows the progress of a walk.
type Progress interface {
	// Begin is called with the first page: done is how many calls earlier runs have written, and total how many calls
	// there are; -1 if that is unknown.
	Begin(done, total int)
	// Add is called with each page, the first included.
	Add(calls int)
}

// UsageError is an error that only the user can correct: a wrong command, setting, query or file. The same command
// would fail again.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *UsageError) Unwrap() error { return e.Err }

// TemporaryError is an error of [Options].Ask that a later request may not have.
type TemporaryError struct {
	Err error
	// RetryAfter is how long to wait before a retry; 0 if that is unknown.
	RetryAfter time.Duration
}

func (e *TemporaryError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *TemporaryError) Unwrap() error { return e.Err }

// ErrIncomplete is the error of a walk to the end of the list that could not read every call.
var ErrIncomplete = errors.New("not all calls could be read")

// ErrReordered is the error of a walk to the end of the list during which calls changed places. A call that moves from
// the unread part of the list to the part that was read is missed, and a call that moves the other way comes twice.
var ErrReordered = errors.New("calls changed places during the walk")

// position is the position of a walk.
type position struct {
	Cursor    string `json:"cursor"`    // after the last call that was written
	Calls     int    `json:"calls"`     // written
	Problems  int    `json:"problems"`  // errors beside the calls
	Reordered int    `json:"reordered"` // responses that reported reordered calls
	Twice     int    `json:"twice"`     // calls that came before
	Done      bool   `json:"done"`      // the end of the list was reached
	// Empty are the requested columns for which no call had a value.
	Empty []string `json:"empty"`
	// Known is the result of Options.Known.
	Known jsontext.Value `json:"known,omitempty"`
}

// flaws returns what keeps a walk to the end of the list from being complete; nil if nothing does.
func (p *position) flaws() error {
	const again = "run the command again when the list changes less"
	var errs []error
	if p.Problems > 0 {
		errs = append(errs, fmt.Errorf("%w: %d errors, and %d calls", ErrIncomplete, p.Problems, p.Calls))
	}
	if p.Reordered > 0 {
		errs = append(errs, fmt.Errorf("%w, %d times: calls that moved may be missing from the output, or be there twice; %s",
			ErrReordered, p.Reordered, again))
	}
	if p.Twice > 0 {
		errs = append(errs, fmt.Errorf("%w, or Revox lists some twice: %d calls are in the output more than once, and "+
			"others may be missing; %s", ErrReordered, p.Twice, again))
	}
	return errors.Join(errs...)
}

// sink is the destination of the lines.
type sink interface {
	// begin returns the position of an earlier run; nil if there was none. It calls read with the lines of that run, in
	// one part or in two.
	begin(read func(lines io.Reader)) (*position, error)
	// write stores lines, and the position after them. It may continue to do so after it has returned, unless the
	// position is the last: then its error may be that of earlier lines.
	write(lines []byte, p position) error
	// finish is called at the end of the list.
	finish() error
	// advice says how to continue after the walk has stopped, or how to start again if its position is lost.
	advice(p position, lost bool) string
}

// Walk writes the calls to w, page by page. Its errors are a [UsageError], [ErrIncomplete], [ErrReordered], or what
// ended the walk.
func Walk(ctx context.Context, o *Options, w io.Writer) error {
	walk, err := newWalk(o)
	if err != nil {
		return err
	}
	return walk.run(ctx, &stream{Writer: w, header: walk.rows.Format == CSV && walk.rows.Header})
}

// WalkFile writes the calls to a file, and resumes an interrupted run. Its errors are those of [Walk], and those of
// the file.
func WalkFile(ctx context.Context, o *Options, path string) error {
	return walkFile(ctx, o, path, newSystem())
}

func walkFile(ctx context.Context, o *Options, path string, system system) error {
	walk, err := newWalk(o)
	if err != nil {
		return err
	}
	return walk.toFile(ctx, path, system, nil)
}

// toFile writes the calls to a file. It calls complete with all lines before they get the file's name; complete may be
// nil.
func (w *walk) toFile(
	ctx context.Context, path string, system system, complete func(f *file, lines io.Reader) error,
) error {
	file, err := openFile(path, w.digest(), system, w.Notify)
	if err != nil {
		return err
	}
	file.complete = complete
	return errors.Join(w.run(ctx, file), file.close())
}

// walk is the state of a walk.
type walk struct {
	*Options
	document *document
	rows     *rows
	ids      *ids
	at       position
	header   bool // the output begins here
	before   int  // how many started calls in a row started before Since
	reported int
}

func newWalk(o *Options) (*walk, error) {
	document, err := prepare(o.Schema, o.Request, o.PageSize)
	if err != nil {
		return nil, &UsageError{err}
	}
	if !o.Since.IsZero() && document.started == "" {
		return nil, &UsageError{errors.New("--since requires a document that selects `startedAt` of the calls")}
	}
	rows, err := newRows(o.Rows, document.fields)
	if err != nil {
		return nil, &UsageError{err}
	}
	if o.After != "" && !o.Rows.Header { // the lines continue others, in whose middle a mark would be text
		rows.BOM = false
	}
	return &walk{Options: o, document: document, rows: rows, ids: newIDs(document.id)}, nil
}

func (w *walk) run(ctx context.Context, to sink) error {
	begun, err := to.begin(func(lines io.Reader) { w.ids.learn(lines, w.rows) })
	if err != nil {
		return err
	}
	if begun == nil {
		w.at.Cursor, w.header = w.After, true
		w.at.Empty = slices.Clone(w.Rows.Columns)
	} else {
		w.at = *begun
		w.Notify(fmt.Sprintf("resuming after %d calls", w.at.Calls))
		if w.Assume != nil && len(w.at.Known) > 0 {
			w.Assume(w.at.Known)
		}
	}
	for first := true; !w.at.Done; first = false {
		if err := w.page(ctx, to, first); err != nil {
			lost := isCode(err, errcode.CursorExpired, errcode.InvalidCursor)
			stopped := fmt.Errorf("stopped after %d calls: %w; %s", w.at.Calls, err, to.advice(w.at, lost))
			// The document and the first cursor come from the user, or from the state that the same command would read again.
			if isCode(err, errcode.ParseFailed, errcode.ValidationFailed, errcode.BadUserInput) || lost && first {
				return &UsageError{stopped}
			}
			return stopped
		}
	}
	if err := to.finish(); err != nil {
		return err
	}
	if w.at.Calls > 0 && len(w.at.Empty) > 0 { // a misspelt key looks the same as a key that no call has
		w.Notify("no call has a value for " + strings.Join(w.at.Empty, ", "))
	}
	return w.at.flaws()
}

// page requests a page and writes it; first is set for the first page of this run.
func (w *walk) page(ctx context.Context, to sink, first bool) error {
	request, err := w.document.at(w.at.Cursor, first && w.Progress != nil && w.Since.IsZero())
	if err != nil {
		return err
	}
	page, err := w.ask(ctx, request)
	if err != nil {
		return err
	}
	calls, past := w.recent(page.calls)
	next := position{
		Cursor: page.endCursor, Calls: w.at.Calls + len(calls), Problems: w.at.Problems + len(page.problems),
		Reordered: w.at.Reordered, Twice: w.at.Twice + w.ids.twice(calls), Done: past || !page.more,
	}
	if page.reordered {
		next.Reordered++
	}
	if page.more && w.standsStill(page) {
		return errors.New(
			"the page has no cursor to continue from: `first` is 0, or none of its calls could be read; try another --page-size",
		)
	}
	lines, err := w.rows.lines(calls, w.header && first)
	if err != nil {
		return err
	}
	next.Empty = w.rows.empty(w.at.Empty)
	if w.Known != nil {
		next.Known = w.Known()
	}
	if err := to.write(lines, next); err != nil {
		return err
	}
	for _, problem := range page.problems {
		w.report(problem)
	}
	if w.Progress != nil {
		if first {
			w.Progress.Begin(w.at.Calls, page.total)
		}
		w.Progress.Add(len(calls))
	}
	w.at = next
	return nil
}

// standsStill reports whether the walk cannot continue from a page's cursor.
func (w *walk) standsStill(p *page) bool { return p.endCursor == "" || p.endCursor == w.at.Cursor }

// enoughBefore is how many calls in a row that started before [Options].Since end a walk.
const enoughBefore = 100

// recent returns those of a page's calls that [Options].Since does not leave out, and reports whether the walk ends
// with them.
func (w *walk) recent(calls []jsontext.Value) (recent []jsontext.Value, past bool) {
	if w.Since.IsZero() {
		return calls, false
	}
	for _, call := range calls {
		text, err := plainText(member(call, w.document.started))
		at, unreadable := time.Parse(time.RFC3339, text)
		switch started := err == nil && unreadable == nil; {
		case started && at.Before(w.Since):
			w.before++
			continue
		case started:
			w.before = 0
		}
		recent = append(recent, call)
	}
	return recent, w.before >= enoughBefore
}

// maxReported is how many errors are reported; further ones are counted.
const maxReported = 20

func (w *walk) report(problem *responseError) {
	switch w.reported++; {
	case w.reported <= maxReported:
		w.Notify(problem.Error())
	case w.reported == maxReported+1:
		w.Notify("further errors are counted only")
	}
}

// ask repeats a request until the response has calls, or a permanent error, or MaxWait has passed.
func (w *walk) ask(ctx context.Context, request []byte) (page *page, err error) {
	err = Retry(ctx, w.MaxWait, w.Notify, func() error {
		page, err = w.askOnce(ctx, request)
		return err
	})
	return page, err
}

// Retry repeats an attempt while it fails with a [TemporaryError], unless the next attempt would begin more than
// maxWait after the first. It notifies of each failure after which it tries again.
func Retry(ctx context.Context, maxWait time.Duration, notify func(line string), attempt func() error) error {
	const atFirst, atMost = time.Second, 30 * time.Second
	for began, wait := time.Now(), atFirst; ; wait = min(2*wait, atMost) {
		err := attempt()
		temporary, ok := errors.AsType[*TemporaryError](err)
		if !ok {
			return err
		}
		pause := max(wait, temporary.RetryAfter)
		if time.Since(began)+pause > maxWait {
			return err
		}
		notify(fmt.Sprintf("%s. Retrying in %v.", strings.TrimSuffix(err.Error(), "."), pause))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

func (w *walk) askOnce(ctx context.Context, request []byte) (*page, error) {
	response, err := w.Ask(ctx, request)
	if err != nil {
		return nil, err
	}
	page, err := w.document.read(response)
	if problem, ok := errors.AsType[*responseError](err); ok && problem.temporary() {
		err = &TemporaryError{err, problem.retryAfter()}
	}
	return page, err
}
