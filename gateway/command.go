package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"revox-graphql/gateway/config"
	"revox-graphql/gateway/export"
)

const (
	programName = "revox-graphql"
	queryName   = "query"
)

const rootHelp = `A GraphQL gateway for the calls of Revox.

The environment variable REVOX_API_KEY is the key that the gateway sends to Revox; --api-key-file names a file with
the key. Without a key, and without --credentials=forward, the gateway serves made-up demo calls.`

const queryHelp = `Execute a query, or write all calls to a file, without a running gateway.

The command executes queries as the gateway does, with the same settings and the gateway's own key. Without a key, it
reads the made-up calls of the demo. With --url, it sends queries to a running gateway, and takes no settings.

A column is a path such as structuredOutput.address.city. A key that contains a dot takes precedence:
structuredOutput.a.b is the key "a.b", or, in a call without that key, the key "b" of the object "a".
structuredOutput.a\.b is the key "a.b" only, and \, is a comma in a key. At the end, the command lists the columns for
which no call has a value; they do not change the exit status.

The exit status is 0 for success, 2 for a wrong command or setting, and 1 for any other failure: a response with errors,
which the command prints, or a list that the command could not read to its end.`

const queryExamples = `  revox-graphql query -d '{ calls(first: 3) { nodes { id status } } }'
  revox-graphql query --all --columns id,status,startedAt --format csv --out calls.csv
  revox-graphql query --all --format table --since 2026-11-25
  revox-graphql query --all --filter '{"result": ["HUMAN"]}' --out answered.ndjson
  revox-graphql query --stats --var 'groupBy=["RESULT"]'
  revox-graphql query --all calls.graphql --var 'statuses=["COMPLETED"]' | jq .id
  GATEWAY_TOKEN=… revox-graphql query --url https://gateway.example/graphql --all --out calls.ndjson`

// commandLine is the parser of one command line. What the commands do is up to the program.
type commandLine struct {
	args    []string
	getenv  func(string) string
	stderr  io.Writer
	check   bool // only the settings
	version bool
	query   queryOptions
	// do is what a command does with its settings, or with check what checks them; query is nil where it is to serve.
	do func(ctx context.Context, s *config.Settings, check bool, query *queryOptions) error
	// parsed is set once a command runs: errors before that are of the command line.
	parsed bool
	// helpError is the error of writing the help, which Cobra has no place for.
	helpError error
}

// queryOptions are the options of the command `query` beside the settings.
type queryOptions struct {
	File      string
	Document  string
	Variables string
	Var       []string
	Filter    string
	Stats     bool
	Operation string
	Pretty    bool
	All       bool
	Format    string
	Columns   []string
	Header    bool
	BOM       bool
	Out       string
	After     string
	Since     string
	since     time.Time // what Since says
	URL       string    // of the gateway that is asked; "" to execute the query here
	Token     string
	Update    bool
	Changes   string
	Grace     time.Duration
	PageSize  int // calls
	MaxWait   time.Duration
	Progress  bool
}

// newCommand returns the program's command with its subcommands. Cobra adds `completion`.
func (l *commandLine) newCommand(stdout io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use: programName + " [COMMAND]", Long: rootHelp, RunE: func(c *cobra.Command, _ []string) error { return l.serve(c) },
	}
	serve := &cobra.Command{
		Use: "serve", Short: "Serve GraphQL over HTTP. This is the default command.", Args: cobra.NoArgs, RunE: root.RunE,
	}
	query := &cobra.Command{
		Use: queryName + " [FILE]", Short: "Execute a query, or write all calls to a file, without a running gateway.",
		Long: queryHelp, Example: queryExamples, Args: cobra.MaximumNArgs(1), RunE: l.answer,
	}
	version := &cobra.Command{
		Use: "version", Short: "Show the version.", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return l.showVersion(c) },
	}
	demo, health := l.demoCommand(), l.healthCommand()
	root.AddCommand(serve, query, demo, health, version)
	help := l.helpCommand(root)
	root.SetHelpCommand(help)
	root.SetOut(stdout)
	root.InitDefaultCompletionCmd() // its commands write to what is set by now
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		panic(err)
	}
	// For its Args, which are none, to be checked.
	completion.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	completion.PersistentPreRun = func(*cobra.Command, []string) { l.parsed = true } // also before its own commands
	for _, c := range []*cobra.Command{root, serve, query} {
		l.addSettings(c)
	}
	root.PersistentFlags().BoolVarP(&l.version, "version", "v", false, "Show the version.")
	l.query.register(query.Flags())
	offer(query, "format", formats())
	for _, c := range []*cobra.Command{root, serve, query, demo, health, version} {
		c.SilenceErrors, c.SilenceUsage = true, true
		c.Flags().SortFlags, c.PersistentFlags().SortFlags = false, false
		c.FParseErrWhitelist.UnknownFlags = true // badFlags finds them all, and not the first alone
	}
	for _, c := range append([]*cobra.Command{root, help}, root.Commands()...) {
		c.Flags().BoolP("help", "h", false, "Show this help.")
	}
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { l.helpError = writeHelp(c, stdout) })
	root.SetErr(io.Discard)
	root.SetFlagErrorFunc(wrongValue)
	root.SetArgs(l.args)
	return root
}

// addSettings gives a command the flags of its settings.
func (l *commandLine) addSettings(c *cobra.Command) {
	flags := c.Flags()
	config.Register(flags, c.Name() == queryName)
	for flag, names := range config.Choices() {
		if flags.Lookup(flag) != nil {
			offer(c, flag, names)
		}
	}
	flags.BoolVar(&l.check, "check", false, "Check the settings and exit.")
}

// offer lets shells complete the value of a flag, which is one of these names.
func offer(c *cobra.Command, flag string, names []string) {
	complete := cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the flag exists, and has none yet
	}
}

func (q *queryOptions) register(flags *pflag.FlagSet) {
	flags.StringVarP(&q.Document, "document", "d", "", "The document itself (`TEXT`), in place of a file.")
	flags.StringVar(&q.Variables, "variables", "",
		"The variables: a `FILE` with a JSON object, - for standard input, or the object itself.")
	flags.StringArrayVar(&q.Var, "var", nil,
		"One variable (`NAME=JSON`), like 'statuses=[\"COMPLETED\"]'. Takes precedence over --variables. May be repeated.")
	flags.StringVar(&q.Filter, "filter", "", "Only calls that pass this `FILTER`, a CallFilter in JSON like "+
		"'{\"result\": [\"HUMAN\"]}'. With a document, the value of its variable $filter.")
	flags.BoolVar(&q.Stats, "stats", false, "Count calls and their durations, in place of a document. Variables are "+
		"those of callStats: --var 'groupBy=[\"RESULT\"]' --var 'every=\"DAY\"' --var 'timeZone=\"Europe/Paris\"'.")
	flags.StringVar(&q.Operation, "operation", "", "The `NAME` of the operation to execute, if the document has several.")
	flags.BoolVar(&q.Pretty, "pretty", false, "Indent the response. On a terminal, it is always indented.")
	flags.BoolVar(&q.All, "all", false, "Read the document's list of calls to its end, and write a line for each call.")
	flags.StringVar(&q.URL, "url", "", "Send the query to the GraphQL endpoint of a gateway at this `ADDRESS`, such as "+
		"http://127.0.0.1:8080/graphql, instead of executing it here.")
	flags.StringVar(&q.Token, "token", "", "With --url: the bearer `TOKEN` for that gateway. Prefer the variable: other "+
		"users of this machine can read a command line, but not the environment. ($"+tokenVariable+")")
	flags.StringVar(&q.Format, "format", string(export.NDJSON),
		"With --all: `FORMAT` of the lines, ndjson (one JSON object per line), csv, or table (for people: cuts long texts).")
	flags.StringArrayVar(&q.Columns, "columns", nil,
		"With --all: the `PATHS` to write, separated by commas, like id,startedAt,structuredOutput.nps,"+
			"transcript.0.content. Default: all that the document selects.")
	toggle(flags, &q.Header, "header", "With --format=csv or table: begin with the names of the columns.")
	flags.BoolVar(&q.BOM, "bom", false, "With --format=csv: begin with a byte order mark, without which Excel does not "+
		"recognize UTF-8. Output that continues another, with --after and --no-header, gets none.")
	flags.StringVar(&q.Out, "out", "",
		"With --all: write to `FILE`, which appears under this name when it is complete. The command resumes an unfinished "+
			"file. - is standard output.")
	flags.StringVar(&q.After, "after", "", "With --all: begin after this `CURSOR`.")
	flags.StringVar(&q.Since, "since", "", "With --all: leave out calls that started before `TIME`, such as 2026-11-25 "+
		"(UTC) or 2026-11-25T08:00:00+01:00. Calls that have not started are written. The walk ends with the page on which "+
		"100 started calls in a row started before TIME.")
	flags.BoolVar(&q.Update, "update", false,
		"With --all and --out: bring up to date a FILE that an earlier run has written as NDJSON with id, status and "+
			"endedAt. The command reads only new calls, and those that were not final.")
	flags.StringVar(&q.Changes, "changes", "",
		"With --update: write a line for each added or updated call to this `FILE`, with the member op: add or update. "+
			"- is standard output.")
	flags.DurationVar(&q.Grace, "grace", time.Hour,
		"With --update: how long ago a call must have ended to count as final.")
	flags.IntVar(&q.PageSize, "page-size", 100,
		"With --all: `NUMBER` of calls per page, unless the document has a count; at most --max-page-size.")
	flags.DurationVar(&q.MaxWait, "max-wait", 2*time.Minute,
		"With --all: how long to wait for one page while Revox, or the gateway at --url, fails or rejects requests.")
	toggle(flags, &q.Progress, "progress", "With --all: show the progress, if standard error is a terminal.")
}

// toggle declares a flag that is set by default, and --no-name to unset it.
func toggle(flags *pflag.FlagSet, to *bool, name, usage string) {
	flags.BoolVar(to, name, true, usage+" --no-"+name+" turns it off.")
	flags.BoolFunc("no-"+name, "", func(given string) error {
		no, err := strconv.ParseBool(given)
		*to = !no
		return err
	})
	flags.Lookup("no-" + name).Hidden = true
}

func (l *commandLine) showVersion(c *cobra.Command) error {
	if err := l.badFlags(c); err != nil {
		return err
	}
	l.parsed = true
	_, err := fmt.Fprintln(c.OutOrStdout(), versionLine())
	return err
}

func (l *commandLine) serve(c *cobra.Command) error {
	if l.version {
		return l.showVersion(c)
	}
	s, err := config.Load(c.Flags(), l.getenv, false)
	if err = errors.Join(l.badFlags(c), err); err != nil {
		return err
	}
	l.parsed = true
	return l.do(c.Context(), s, l.check, nil)
}

// answer is the command `query`.
func (l *commandLine) answer(c *cobra.Command, args []string) error {
	if l.version {
		return l.showVersion(c)
	}
	if len(args) > 0 {
		l.query.File = args[0]
	}
	s, err := l.querySettings(c)
	if err = errors.Join(l.badFlags(c), err, emptyValues(c, args), l.query.validate()); err != nil {
		return err
	}
	l.parsed = true
	return l.do(c.Context(), s, l.check, &l.query)
}

// tokenVariable is the environment variable with the token for another gateway.
const tokenVariable = "GATEWAY_TOKEN"

// querySettings are those of a query that is executed here. Another gateway has its own.
func (l *commandLine) querySettings(c *cobra.Command) (*config.Settings, error) {
	if l.query.URL == "" {
		return config.Load(c.Flags(), l.getenv, true)
	}
	var errs []error
	c.Flags().Visit(func(f *pflag.Flag) {
		if config.Registered(f) || f.Name == "check" {
			errs = append(errs, fmt.Errorf("--%s cannot be used with --url: that gateway has its own settings", f.Name))
		}
	})
	l.query.Token = cmp.Or(l.query.Token, l.getenv(tokenVariable))
	return &config.Settings{}, errors.Join(errs...)
}

// helpCommand is Cobra's, except that an unknown command is an error.
func (l *commandLine) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Show the help of a command.", SilenceErrors: true, SilenceUsage: true,
		RunE: func(_ *cobra.Command, args []string) error {
			topic, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q", strings.Join(args, " "))
			}
			if err != nil {
				return err
			}
			l.parsed = true
			return topic.Help()
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, sub := range root.Commands() {
				if len(args) == 0 && sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), begun) {
					names = append(names, sub.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// badFlags returns an error for each flag that does not exist, has no value, or means nothing to the command.
func (l *commandLine) badFlags(c *cobra.Command) error {
	var errs []error
	names := []string{"help"}
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	for i := 0; i < len(l.args) && l.args[i] != "--"; i++ {
		name, _, hasValue := strings.Cut(l.args[i], "=")
		if len(name) < 2 || name[0] != '-' {
			continue
		}
		flag := c.Flags().Lookup(name[min(2, len(name)):])
		if name[1] != '-' {
			flag, hasValue = c.Flags().ShorthandLookup(name[1:2]), hasValue || len(name) > 2
		}
		switch {
		case flag == nil && config.IsSetting(strings.TrimLeft(name, "-")):
			errs = append(errs, fmt.Errorf("%s cannot be used with %s", name, c.Name()))
		case flag == nil && name != "-h" && name != "--help":
			errs = append(errs, unknownFlag(name, names))
		case flag == nil || flag.NoOptDefVal != "" || hasValue:
		case i+1 < len(l.args) && strings.HasPrefix(l.args[i+1], "--"):
			errs = append(errs, fmt.Errorf("%s has no value", name))
		default:
			i++ // its value
		}
	}
	return errors.Join(errs...)
}

// wrongValue words the error of a flag's value as [config.Load] does those of settings.
func wrongValue(_ *cobra.Command, err error) error {
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fmt.Errorf("--%s has no value", missing.GetFlag().Name)
	}
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	cause := wrong.Unwrap()
	must, ok := map[string]string{
		"int": config.WholeNumber, "float64": config.Number, "duration": config.Duration, "bool": config.Boolean,
		"boolfunc": config.Boolean,
	}[wrong.GetFlag().Value.Type()]
	if ok { // else the cause is worded already
		cause = config.Unread(must, wrong.GetValue(), cause)
	}
	return fmt.Errorf("--%s %w", wrong.GetFlag().Name, cause)
}

func unknownFlag(name string, known []string) error {
	if nearest := config.Nearest(strings.TrimLeft(name, "-"), known); nearest != "" {
		return fmt.Errorf("unknown flag %s: did you mean --%s?", name, nearest)
	}
	return fmt.Errorf("unknown flag %s", name)
}

// emptyValues rejects empty values of a query's flags, such as a script's variable that is not set leaves: taken for
// none, it would write other calls than were requested, or elsewhere. An empty cursor is the list's beginning.
func emptyValues(c *cobra.Command, args []string) error {
	var errs []error
	if slices.Contains(args, "") {
		errs = append(errs, errors.New("FILE is empty"))
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "string" && f.Value.String() == "" && f.Name != "after" {
			errs = append(errs, fmt.Errorf("--%s is empty", f.Name))
		}
	})
	return errors.Join(errs...)
}

// validate rejects what does not go together, and splits the columns. An empty list is rejected: a script's variable
// that is not set would otherwise ask for all columns.
func (q *queryOptions) validate() error {
	var errs []error
	reject := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	reject(q.File != "" && q.Document != "", "give the document either as a file or by --document")
	reject(q.Stats && (q.All || q.File != "" || q.Document != ""), "--stats cannot be used with a document or with --all")
	reject(!q.All && !q.Stats && q.File == "" && q.Document == "", "give a document: a file, - for standard input, or "+
		"--document; or read all calls with --all, or count them with --stats")
	reject(q.File == "-" && q.Variables == "-", "the document and the variables cannot both be standard input")
	reject(q.Token != "" && q.URL == "", "--token requires --url")
	reject(q.All && q.Pretty, "--pretty cannot be used with --all")
	reject(q.PageSize < 1, fmt.Sprintf("--page-size must be at least 1, and is %d", q.PageSize))
	reject(q.MaxWait < 0, fmt.Sprintf("--max-wait must not be negative, and is %v", q.MaxWait))
	q.validateExport(reject)
	q.validateUpdate(reject)
	return errors.Join(errs...)
}

// validateExport rejects flags that cannot be used with --all, or not together.
func (q *queryOptions) validateExport(reject func(bad bool, text string)) {
	var columns []string
	for _, list := range q.Columns {
		names := export.SplitColumns(list)
		reject(len(names) == 0, "--columns names no column")
		columns = append(columns, names...)
	}
	q.Columns = columns
	if q.Out == "-" {
		q.Out = "" // standard output
	}
	reject(!slices.Contains(formats(), q.Format),
		fmt.Sprintf("--format must be one of %s, and is %q", strings.Join(formats(), ", "), q.Format))
	for _, flag := range []struct {
		name  string
		given bool
	}{
		{"--format", q.Format != string(export.NDJSON)},
		{"--columns", len(q.Columns) > 0},
		{"--bom", q.BOM},
		{"--out", q.Out != ""},
		{"--after", q.After != ""},
		{"--since", q.Since != ""},
	} {
		reject(!q.All && flag.given, flag.name+" requires --all, which reads the whole list and writes a line "+
			"for each call; a single response is printed as JSON")
	}
	reject(q.BOM && q.Format != string(export.CSV), "--bom requires --format=csv")
	reject(q.Out != "" && q.Format == string(export.Table), "--format=table writes to standard output, not to --out")
	if q.Since != "" {
		var ok bool
		q.since, ok = parseTime(q.Since)
		reject(!ok, fmt.Sprintf("--since must be like 2026-11-25 or 2026-11-25T08:00:00Z, and is %q", q.Since))
	}
	reject(q.Out != "" && q.After != "", "--after cannot be used with --out, which knows where to resume")
}

// validateUpdate rejects flags that cannot be used with --update.
func (q *queryOptions) validateUpdate(reject func(bad bool, text string)) {
	reject(q.Update && q.Out == "", "--update requires --all and --out FILE")
	reject(q.Update && q.Format != string(export.NDJSON), "--update requires --format ndjson")
	reject(q.Update && q.Since != "", "--since cannot be used with --update, which would leave out calls of the file")
	reject(!q.Update && q.Changes != "", "--changes requires --update")
	reject(q.Grace < 0, fmt.Sprintf("--grace must not be negative, and is %v", q.Grace))
}

// formats are the values of --format.
func formats() []string {
	return []string{string(export.NDJSON), string(export.CSV), string(export.Table)}
}

// parseTime reads a time, in which T and Z may be small letters (RFC 3339 §5.6), or a date, which begins at midnight
// UTC.
func parseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, strings.ToUpper(text)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// defaultWidth is the width of the help, in columns, where it is not on a terminal.
const defaultWidth = 100

// writeHelp shows a command's own flags first, and of the settings those that matter to it.
func writeHelp(c *cobra.Command, w io.Writer) error {
	width := defaultWidth
	if file, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
			width = columns
		}
	}
	own, settings := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags, settings.SortFlags = false, false
	_ = c.InheritedFlags() // adds them to Flags
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if config.Registered(f) {
			settings.AddFlag(f)
		} else {
			own.AddFlag(f)
		}
	})
	var b strings.Builder
	long := c.Long
	if long == "" {
		long = c.Short
	}
	fmt.Fprintf(&b, "%s\n\nUsage:\n  %s\n", long, c.UseLine())
	if c.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(&b, "  %-12s %s\n", sub.Name(), sub.Short)
			}
		}
	}
	if c.Example != "" {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", c.Example)
	}
	fmt.Fprintf(&b, "\nFlags:\n%s", own.FlagUsagesWrapped(width))
	if settings.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nSettings:\n%s", settings.FlagUsagesWrapped(width))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
