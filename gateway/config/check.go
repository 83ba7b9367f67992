package config

import (
	"io"
	"log/slog"

	"revox-graphql/gateway/auth"
	"revox-graphql/graph/pagination"
	"revox-graphql/upstream"
)

// check returns what is wrong about settings together that each by itself are right. inEnvironment says that the
// environment has a key.
func (s *Settings) check(inEnvironment bool) []error {
	errs := s.checkCredentials(inEnvironment)
	most := pagination.MostRequests(s.UpstreamPageSize, s.MaxShift, s.MaxPageSize)
	if most > s.UpstreamMaxRequests {
		errs = append(errs, Wrong("max-shift",
			"of %d can take %d requests to Revox with pages of %d calls, and GATEWAY_UPSTREAM_MAX_REQUESTS allows %d: "+
				"lower the one, or raise the other", s.MaxShift, most, s.UpstreamPageSize, s.UpstreamMaxRequests))
	}
	files := openFiles()
	if files > 0 && s.MaxConnections > max(s.connectionRoom(), files-s.reservedFiles()) {
		errs = append(errs, Wrong("max-connections", "is %d, and of the %d files that may be open %d are reserved for "+
			"Revox and the rest: raise that limit (ulimit -n), or lower this setting",
			s.MaxConnections, files, s.reservedFiles()))
	}
	return errs
}

// checkCredentials returns what is wrong about who may read whose calls, and opens the files of the key and the tokens.
func (s *Settings) checkCredentials(inEnvironment bool) []error {
	var errs []error
	reject := func(bad bool, flag, format string, args ...any) {
		if bad {
			errs = append(errs, Wrong(flag, format, args...))
		}
	}
	inFile := s.APIKeyFile != ""
	hasKey := inEnvironment || inFile
	reject(s.Demo && s.BaseURL != nil, "base-url", "requires a key: set REVOX_API_KEY, or --credentials=forward")
	reject(s.Forward && inEnvironment, "credentials", "is forward, which does not use REVOX_API_KEY: unset one of them")
	reject(s.Forward && inFile, "api-key-file", "requires --credentials=server")
	reject(inEnvironment && inFile, "api-key-file", "cannot be used with REVOX_API_KEY: unset one of them")
	if inFile && !inEnvironment && !s.Forward {
		var err error
		s.Key, err = auth.OpenKey(s.APIKeyFile)
		reject(err != nil, "api-key-file", "cannot be used: %w", err)
	}
	reject(s.Forward && len(s.Tokens) > 0, "tokens", "require --credentials=server")
	reject(s.Forward && s.TokensFile != "", "tokens-file", "requires --credentials=server")
	if s.TokensFile != "" && !s.Forward {
		var err error
		s.TokenList, err = auth.NewTokensFile(s.TokensFile)
		reject(err != nil, "tokens-file", "cannot be used: %w", err)
	}
	secured := len(s.Tokens) > 0 || s.TokensFile != "" || s.AllowAnonymous
	reject(s.Listen != "" && hasKey && !s.Forward && !Loopback(s.Host) && !secured, "listen",
		"is %s: anybody who reaches it could read your calls; set GATEWAY_TOKENS or GATEWAY_TOKENS_FILE, or "+
			"GATEWAY_ALLOW_ANONYMOUS=true", s.Listen)
	return errs
}

// mostConnections is the default where files do not bound them. Idle connections over HTTP/1.1 take some 20 kB each, so
// these take a fifth of the memory that deploy/ gives a gateway.
const mostConnections = 10_000

// Connections is how many connections clients may have.
func (s *Settings) Connections() int {
	if s.MaxConnections > 0 {
		return s.MaxConnections
	}
	return s.connectionRoom()
}

// reservedFiles is how many files are reserved for all but clients: two for each request to Revox, since one that is
// resolving a name or being closed has two, and 64 for the log, the demo, metrics, profiles, traces and what Go needs.
func (s *Settings) reservedFiles() int { return 2*s.UpstreamConcurrency + 64 }

// connectionRoom is how many connections clients may have by default. Where few files may be open, half are reserved.
func (s *Settings) connectionRoom() int {
	files := openFiles()
	if files == 0 {
		return mostConnections
	}
	return max(1, min(mostConnections, max(files-s.reservedFiles(), files/2)))
}

// FirstPage is the number of Revox's first page.
func (s *Settings) FirstPage() upstream.FirstPage {
	return map[string]upstream.FirstPage{
		"auto": upstream.FirstPageAuto, "0": upstream.FirstPageZero, "1": upstream.FirstPageOne,
	}[s.UpstreamFirstPage]
}

// Logger writes the log as the settings say.
func (s *Settings) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err == nil { // the setting accepts only slog's four
		options.Level = level
	}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
