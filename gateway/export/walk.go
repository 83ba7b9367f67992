package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"revox-graphql/internal/errcode"

	"github.com/vektah/gqlparser/v2/ast"
)

// Options say what is walked, and what becomes of it.
type Options struct {
	// Ask answers a GraphQL request: JSON to JSON. Every request of the walk goes through it, one after the other.
	Ask    func(ctx context.Context, request []byte) (answer []byte, err error)
	Schema *ast.Schema
	// Request selects `calls`.
	Request Request
	// After is the cursor to begin behind; else that is the request's own, or the list's beginning.
	After string
	// PageSize is how many calls are asked for at once, where the request does not say.
	PageSize int
	Rows     RowOptions
	// Source tells lists apart, and those who may read them: a walk of another source does not resume this one.
	Source string
	// MaxWait is how long one page may keep the walk waiting, while upstream takes no requests or is failing.
	MaxWait time.Duration
	// Progress is told of the walk; nil: nobody is.
	Progress Progress
	// Notify is told, a line each time, what went wrong without ending the walk.
	Notify func(line string)
}

// Progress is who shows how far a walk is.
type Progress interface {
	// Begin comes with the first page: how many calls a run before has written, and how many there will be in all, -1
	// where that is not known.
	Begin(done, total int)
	// Add comes with every page.
	Add(calls int)
}

// UsageError says that what was asked for cannot be done, whatever upstream does.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *UsageError) Unwrap() error { return e.Err }

// ErrIncomplete says that a walk came to its end, and that something on its way could not be read.
var ErrIncomplete = errors.New("not all could be read")

// ErrReordered says that a walk came to its end, and that calls changed places on its way. A call that goes from the
// part of the list that is still to be read to the part that has been read is missed, and one that goes the other way
// comes twice.
var ErrReordered = errors.New("calls changed places while they were read")

// position is how far a walk is.
type position struct {
	Cursor    string `json:"cursor"`    // behind the last call that was written
	Calls     int    `json:"calls"`     // written
	Problems  int    `json:"problems"`  // met
	Reordered int    `json:"reordered"` // answers that said that calls had changed places
	Twice     int    `json:"twice"`     // calls that had come before
	Done      bool   `json:"done"`      // that was the end of the list
	// Empty are the columns that were asked for and for which no call has had a value.
	Empty []string `json:"empty"`
}

// trouble is what keeps a walk that has come to its end from being complete.
func (p *position) trouble() error {
	const again = "run it again when the list is quieter"
	var errs []error
	if p.Problems > 0 {
		errs = append(errs, fmt.Errorf("%w: %d errors on the way, and %d calls", ErrIncomplete, p.Problems, p.Calls))
	}
	if p.Reordered > 0 {
		errs = append(errs, fmt.Errorf("%w, %d times: calls that moved may be missing from the output or be in it twice; %s",
			ErrReordered, p.Reordered, again))
	}
	if p.Twice > 0 {
		errs = append(errs, fmt.Errorf("%w, or Revox lists some twice: %d calls are in the output again, and others may be "+
			"missing from it; %s", ErrReordered, p.Twice, again))
	}
	return errors.Join(errs...)
}

// sink is where lines go.
type sink interface {
	// begin tells how far an earlier run got, and lets its lines be read; nil: there was none.
	begin(read func(lines io.Reader)) (*position, error)
	// write keeps lines, and that the position is behind them, before it returns.
	write(lines []byte, p position) error
	// finish is for the list's end.
	finish() error
	// advice tells how to go on after the walk has stopped, or to start anew if its place is lost.
	advice(p position, lost bool) string
}

// Walk writes the calls from the request's cursor on to w, a page at a time.
func Walk(ctx context.Context, o *Options, w io.Writer) error {
	walk, err := newWalk(o)
	if err != nil {
		return err
	}
	return walk.run(ctx, &stream{Writer: w, header: walk.rows.Format == CSV && walk.rows.Header})
}

// WalkFile writes all calls to a file, going on where an earlier run has been interrupted.
func WalkFile(ctx context.Context, o *Options, path string) error {
	return walkFile(ctx, o, path, system{lock, (*os.File).Sync})
}

func walkFile(ctx context.Context, o *Options, path string, system system) error {
	walk, err := newWalk(o)
	if err != nil {
		return err
	}
	file, err := openFile(path, walk.digest(), system, o.Notify)
	if err != nil {
		return err
	}
	return errors.Join(walk.run(ctx, file), file.close())
}

// walk is a walk under way.
type walk struct {
	*Options
	document *document
	rows     *rows
	ids      *ids
	at       position
	header   bool // it begins here
	reported int
}

func newWalk(o *Options) (*walk, error) {
	document, err := prepare(o.Schema, o.Request, o.PageSize)
	if err != nil {
		return nil, &UsageError{err}
	}
	rows, err := newRows(o.Rows, document.fields)
	if err != nil {
		return nil, &UsageError{err}
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
		w.Notify(fmt.Sprintf("going on after %d calls", w.at.Calls))
	}
	for first := true; !w.at.Done; first = false {
		if err := w.page(ctx, to, first); err != nil {
			lost := isCode(err, errcode.CursorExpired, errcode.InvalidCursor)
			stopped := fmt.Errorf("stopped after %d calls: %w; %s", w.at.Calls, err, to.advice(w.at, lost))
			// Nobody but the user makes the first cursor of a list, or the document.
			if isCode(err, errcode.ParseFailed, errcode.ValidationFailed, errcode.BadUserInput) ||
				isCode(err, errcode.InvalidCursor) && begun == nil && first {
				return &UsageError{stopped}
			}
			return stopped
		}
	}
	if err := to.finish(); err != nil {
		return err
	}
	if w.at.Calls > 0 && len(w.at.Empty) > 0 { // a key that is misspelt looks like one that is never there
		w.Notify("no call has a value for " + strings.Join(w.at.Empty, ", "))
	}
	return w.at.trouble()
}

// page asks for a page and writes it; first is the first one of this run.
func (w *walk) page(ctx context.Context, to sink, first bool) error {
	request, err := w.document.at(w.at.Cursor, first && w.Progress != nil)
	if err != nil {
		return err
	}
	page, err := w.ask(ctx, request)
	if err != nil {
		return err
	}
	next := position{
		Cursor: page.endCursor, Calls: w.at.Calls + len(page.calls), Problems: w.at.Problems + len(page.problems),
		Reordered: w.at.Reordered, Twice: w.at.Twice + w.ids.twice(page.calls), Done: !page.more,
	}
	if page.reordered {
		next.Reordered++
	}
	if page.more && (page.endCursor == "" || page.endCursor == w.at.Cursor) {
		return errors.New(
			"a page without a cursor to go on from: `first` is 0, or none of its calls could be read; try another --page-size",
		)
	}
	lines, err := w.rows.lines(page.calls, w.header && first)
	if err != nil {
		return err
	}
	next.Empty = w.rows.empty(w.at.Empty)
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
		w.Progress.Add(len(page.calls))
	}
	w.at = next
	return nil
}

// maxReported is how many errors are told; further ones are counted.
const maxReported = 20

func (w *walk) report(problem *answerError) {
	switch w.reported++; {
	case w.reported <= maxReported:
		w.Notify(problem.Error())
	case w.reported == maxReported+1:
		w.Notify("further errors are only counted")
	}
}

// ask asks until there is an answer with calls in it, or no hope of one.
func (w *walk) ask(ctx context.Context, request []byte) (*page, error) {
	const atFirst, atMost = time.Second, 30 * time.Second
	for waited, wait := time.Duration(0), atFirst; ; wait = min(2*wait, atMost) {
		answer, err := w.Ask(ctx, request)
		if err != nil {
			return nil, err
		}
		page, err := w.document.read(answer)
		problem, told := errors.AsType[*answerError](err)
		if !told || !problem.passes() {
			return page, err
		}
		pause := max(wait, problem.retryAfter())
		if waited += pause; waited > w.MaxWait {
			return nil, err
		}
		w.Notify(fmt.Sprintf("%v Asking again in %v.", err, pause))
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
