package gateway

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"revox-graphql/gateway/export"
)

// commandLine is everything that a command line may have: the settings, and the commands.
type commandLine struct {
	settings
	Serve struct{}     `cmd:"" default:"1" help:"Serve GraphQL over HTTP. This is what happens without a command."`
	Query queryCommand `cmd:"" help:"Answer a query at once, or write all calls to a file, without serving anything."`
}

// queryName is the command that answers a query.
const queryName = "query"

// queryCommand is what a query is told beside the settings.
type queryCommand struct {
	File      string        `arg:"" optional:"" help:"The document's file; - is standard input. With --all there may be none: then --columns are selected."`
	Document  string        `short:"d" placeholder:"TEXT" help:"The document itself, in place of a file."`
	Variables string        `placeholder:"FILE" help:"The variables: a file with a JSON object, - for standard input, or the object itself."`
	Var       []string      `sep:"none" placeholder:"NAME=JSON" help:"One variable, like 'statuses=[\"COMPLETED\"]'; comes before --variables. May be repeated."`
	Operation string        `placeholder:"NAME" help:"Which of the document's operations is meant."`
	Pretty    bool          `help:"Indent the answer. On a terminal it always is."`
	All       bool          `help:"Walk the list of the document's calls to its end, and write a line for each call."`
	Format    export.Format `enum:"ndjson,csv" default:"ndjson" help:"With --all: what lines are, ndjson (a JSON object each) or csv."`
	Columns   []string      `sep:"none" placeholder:"PATH" help:"With --all: what lines have, separated by commas, like id,startedAt,structuredOutput.nps,transcript.0.content. All that the document selects, else."`
	Header    bool          `default:"true" negatable:"" help:"With --format=csv: begin with the names of the columns."`
	Out       string        `placeholder:"FILE" help:"With --all: write to a file, which takes its name when it is complete. An unfinished one is gone on with. - is standard output."`
	After     string        `placeholder:"CURSOR" help:"With --all: begin behind this cursor."`
	PageSize  int           `default:"100" help:"With --all: how many calls to ask for at once, where the document does not say; no more than --max-page-size."`
	MaxWait   time.Duration `default:"2m" help:"With --all: how long to wait with one page while Revox takes no requests or is failing."`
	Progress  bool          `default:"true" negatable:"" help:"With --all: show how far it is, if standard error is a terminal."`
}

// Help implements [kong.HelpProvider].
func (*queryCommand) Help() string {
	return `Everything is asked as the gateway would, with the same settings, and no key but REVOX_API_KEY. Without it the answers are made up.

Examples:

  revox-graphql query -d '{ calls(first: 3) { nodes { id status } } }'

  revox-graphql query --all --columns id,status,startedAt --format csv --out calls.csv

  revox-graphql query --all calls.graphql --var 'statuses=["COMPLETED"]' | jq .id

A column is a path, like structuredOutput.address.city. A key that has a dot itself comes first: structuredOutput.a.b
is the key "a.b", and where a call has none the key "b" of the object "a"; with structuredOutput.a\.b it is the key
"a.b" only, and a comma in a key is \,. Columns for which no call has a value are told at the end, which does not change the exit status.

The exit status is 0 if all is well, 2 if the command or the settings are wrong, and 1 for all else: an answer with errors, which is printed, or a list that could not be walked to its end.`
}

// check refuses what does not go together, and takes lists apart. An empty list is refused: a script's variable that is
// not set would otherwise ask for all columns.
func (q *queryCommand) check() error {
	var errs []error
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	var columns []string
	for _, list := range q.Columns {
		names := kong.SplitEscaped(list, ',')
		refuse(len(names) == 0, "--columns names no column")
		columns = append(columns, names...)
	}
	q.Columns = columns
	if q.Out == "-" {
		q.Out = "" // standard output
	}
	refuse(q.File != "" && q.Document != "", "give the document either as a file or by --document")
	refuse(!q.All && q.File == "" && q.Document == "", "give a document: a file, - for standard input, or --document; or walk all calls with --all")
	refuse(q.File == "-" && q.Variables == "-", "the document and the variables cannot both be standard input")
	refuse(!q.All && (q.Format != export.NDJSON || len(q.Columns) > 0 || q.Out != "" || q.After != ""), "--format, --columns, --out and --after go with --all")
	refuse(q.All && q.Pretty, "--pretty does not go with --all")
	refuse(q.Out != "" && q.After != "", "--after does not go with --out, which knows where to go on")
	refuse(q.PageSize < 1, fmt.Sprintf("--page-size must be at least 1, and is %d", q.PageSize))
	refuse(q.MaxWait < 0, "--max-wait must not be negative")
	return errors.Join(errs...)
}

// isQuery reports whether the command is a query.
func isQuery(c *kong.Context) bool {
	return slices.ContainsFunc(c.Path, func(p *kong.Path) bool { return p.Command != nil && p.Command.Name == queryName })
}

// strayFlag refuses a flag of the gateway's that means nothing to a query.
func strayFlag(c *kong.Context) error {
	for _, p := range c.Path {
		if p.Flag != nil && isQuery(c) && p.Flag.Tag.Has("variable") && !p.Flag.Tag.Has("query") {
			return fmt.Errorf("--%s does not go with %s", p.Flag.Name, queryName)
		}
	}
	return nil
}

// emptyValue refuses a value of a query that is empty, as that of a script's variable is that is not set: taken for
// none, it would let other calls be written than were asked for, or elsewhere. No cursor is the list's beginning,
// though.
func emptyValue(c *kong.Context) error {
	for _, p := range c.Path {
		var value *kong.Value
		switch {
		case p.Flag != nil && !p.Flag.Tag.Has("variable") && p.Flag.Name != "after":
			value = p.Flag.Value
		case p.Positional != nil:
			value = p.Positional
		}
		if isQuery(c) && value != nil && value.Target.Kind() == reflect.String && value.Target.Len() == 0 {
			return fmt.Errorf("%s is empty", value.ShortSummary())
		}
	}
	return nil
}

// printHelp shows a query's own flags first, and of the settings those that matter to it.
func printHelp(options kong.HelpOptions, c *kong.Context) error {
	if isQuery(c) {
		group := &kong.Group{Key: "settings", Title: "Settings:", Description: "They are the gateway's, and so are their variables."}
		for _, flag := range c.Model.Flags {
			if flag.Tag.Has("variable") {
				flag.Group, flag.Hidden = group, !flag.Tag.Has("query")
			}
		}
	}
	return kong.DefaultHelpPrinter(options, c)
}
