package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/pflag"

	"revox-graphql/gateway/auth"
)

// APIKey is the environment variable that holds the key for Revox.
const APIKey = "REVOX_API_KEY" //nolint:gosec // its name

// text is the value of a flag as it was given. Texts are parsed by [Load], which knows the environment too.
type text struct {
	row
	given   string
	negated bool // of --no-name
}

// String implements [pflag.Value].
func (t *text) String() string { return t.given }

// Type implements [pflag.Value].
func (t *text) Type() string { return t.value.kind }

// Set implements [pflag.Value].
func (t *text) Set(given string) error {
	switch {
	case t.value.kind == listKind && t.given != "":
		t.given += "," + given
	default:
		t.given = given
	}
	return nil
}

// negation is the value of --no-name, which sets that of --name.
type negation struct{ *text }

// Set implements [pflag.Value].
func (n negation) Set(given string) error {
	n.given, n.negated = given, true // Load rejects what is not a Boolean
	if no, err := strconv.ParseBool(given); err == nil {
		n.given = strconv.FormatBool(!no)
	}
	return nil
}

// Register declares a flag for each setting that the command `query` has, or for each that serving has.
func Register(flags *pflag.FlagSet, query bool) {
	for _, r := range new(Settings).rows() {
		if query && !r.query {
			continue
		}
		t := &text{row: r}
		flag := flags.VarPF(t, r.flag, "", r.usage())
		flag.DefValue = r.fallback
		if r.value.kind == boolKind {
			flag.NoOptDefVal = "true"
			if r.fallback == "true" {
				no := flags.VarPF(negation{t}, "no-"+r.flag, "", "")
				no.NoOptDefVal, no.Hidden = "true", true
			}
		}
	}
}

// Choices returns the flags that accept a few names, and these names.
func Choices() map[string][]string {
	choices := map[string][]string{}
	for _, r := range new(Settings).rows() {
		if r.value.kind == choiceKind {
			choices[r.flag] = strings.Split(r.value.accepts, ", ")
		}
	}
	return choices
}

// usage is the help of a flag.
func (r *row) usage() string {
	usage := strings.ReplaceAll(r.help, "`", "")
	if r.value.accepts != "" {
		usage += " Accepts " + r.value.accepts + "."
	}
	return usage + " ($" + r.variable + ")"
}

// Registered reports whether a flag is one that [Register] has declared.
func Registered(flag *pflag.Flag) bool {
	switch flag.Value.(type) {
	case *text, negation:
		return true
	default:
		return false
	}
}

// IsSetting reports whether a setting has a flag of this name.
func IsSetting(flag string) bool {
	return slices.ContainsFunc(new(Settings).rows(), func(r row) bool { return r.flag == flag || "no-"+r.flag == flag })
}

// Listen returns the address that GATEWAY_LISTEN or its default says.
func Listen(getenv func(string) string) (string, error) {
	s := &Settings{}
	rows := s.rows()
	listen := rows[slices.IndexFunc(rows, func(r row) bool { return r.flag == "listen" })]
	errs := listen.load(pflag.NewFlagSet("", pflag.ContinueOnError), getenv, false)
	return s.Listen, errors.Join(errs...)
}

// Load reads all settings from the flags and from the environment, for the command `query` or for serving. Its error is
// a line for each setting that is wrong, which it names.
func Load(flags *pflag.FlagSet, getenv func(string) string, query bool) (*Settings, error) {
	s := &Settings{}
	var errs []error
	s.CacheRevalidate = -1
	for _, r := range s.rows() {
		errs = append(errs, r.load(flags, getenv, query)...)
	}
	if s.CacheRevalidate < 0 {
		s.CacheRevalidate = s.CacheTTL
	}
	s.OTLPEndpoint = strings.TrimSuffix(s.OTLPEndpoint, "/")
	s.Forward = s.Credentials == "forward"
	s.Host, _, _ = net.SplitHostPort(s.Listen)
	key := getenv(APIKey)
	s.Demo = key == "" && s.APIKeyFile == "" && !s.Forward
	if key != "" {
		var err error
		if s.Key, err = auth.NewKey(key); err != nil {
			errs = append(errs, fmt.Errorf("%s %w", APIKey, err))
		}
	}
	if len(errs) == 0 {
		errs = s.check(key != "")
	} else { // with values of their own
		errs = append(errs, s.checkCredentials(key != "")...)
	}
	if s.BaseURL == nil {
		s.BaseURL, _ = url.Parse(defaultBaseURL)
	}
	return s, errors.Join(errs...)
}

// load reads one setting. An empty variable is like none, and so is an empty flag where there is no default.
func (r *row) load(flags *pflag.FlagSet, getenv func(string) string, query bool) []error {
	given, ok := r.fallback, r.fallback != ""
	if value := getenv(r.variable); value != "" && (r.query || !query) {
		given, ok = value, true
	}
	if flag := flags.Lookup(r.flag); flag != nil {
		if t, is := flag.Value.(*text); is && (flag.Changed || t.negated) {
			given, ok = t.given, t.given != "" || r.fallback != ""
		}
	}
	if !ok {
		return nil
	}
	err := r.value.parse(given)
	if err == nil {
		return nil
	}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		errs := all.Unwrap()
		for i, one := range errs {
			errs[i] = r.wrong(one)
		}
		return errs
	}
	return []error{r.wrong(err)}
}

func (r *row) wrong(err error) error { return fmt.Errorf("--%s (%s) %w", r.flag, r.variable, err) }

// Wrong is an error that names a setting by its flag, and its variable too: the value may come from either.
func Wrong(flag, format string, args ...any) error {
	rows := new(Settings).rows()
	i := slices.IndexFunc(rows, func(r row) bool { return r.flag == flag })
	return rows[i].wrong(fmt.Errorf(format, args...))
}

// Unknown is an environment variable that looks like a setting and is none.
type Unknown struct {
	Name string
	// Nearest is the setting that may be meant; "" if none is similar.
	Nearest string
}

// serviceLink matches the variables that Kubernetes and Docker define in each container for a service or a container of
// the name "gateway" or "revox", for example GATEWAY_SERVICE_HOST and GATEWAY_PORT_8080_TCP_ADDR.
var serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT)|PORT(_\d+_(TCP|UDP|SCTP)))(_|$)|_PORT$`)

// UnknownVariables are those of an environment, a NAME=value each, that begin like a setting and are none.
func UnknownVariables(environ []string) (unknown []Unknown) {
	variables := Variables()
	known := map[string]string{} // by the name without its prefix, which all have
	names := make([]string, 0, len(variables))
	for _, variable := range variables {
		names = append(names, withoutPrefix(variable))
		known[withoutPrefix(variable)] = variable
	}
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		short := withoutPrefix(name)
		if short == name || known[short] == name || serviceLink.MatchString(name) {
			continue
		}
		unknown = append(unknown, Unknown{Name: name, Nearest: known[Nearest(short, names)]})
	}
	slices.SortFunc(unknown, func(a, b Unknown) int { return strings.Compare(a.Name, b.Name) })
	return unknown
}

// Nearest returns the known name that a misspelt one probably means, within one edit and one more for each five bytes;
// "" if there is none.
func Nearest(name string, known []string) (nearest string) {
	least := 2 + len(name)/5
	for _, candidate := range known {
		if distance := levenshtein.ComputeDistance(name, candidate); distance < least {
			nearest, least = candidate, distance
		}
	}
	return nearest
}

// Variables are the environment variables of all settings, and that of the key.
func Variables() []string {
	rows := new(Settings).rows()
	names := append(make([]string, 0, 1+len(rows)), APIKey)
	for _, r := range rows {
		names = append(names, r.variable)
	}
	return names
}

func withoutPrefix(variable string) string {
	return strings.TrimPrefix(strings.TrimPrefix(variable, "GATEWAY_"), "REVOX_")
}
