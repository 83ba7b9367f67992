package gateway

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"revox-graphql/internal/memory"
)

// The source of the memory limit, and the limit of Go that follows from it.
func TestMemoryLimitSources(t *testing.T) {
	const mebibyte = 1 << 20
	cgroup := memlimit.Limit
	none := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	for name, test := range map[string]struct {
		setting  string
		env      string // GOMEMLIMIT
		goLimit  int64  // that Go has made of it
		cgroup   memlimit.Provider
		want     int64 // of the budget; 0 is none
		wantOfGo int64 // while it serves
	}{
		"the setting": {
			setting: "500MiB", cgroup: cgroup(1024 * mebibyte), want: 500 * mebibyte, wantOfGo: 452 * mebibyte,
		},
		"the setting beside GOMEMLIMIT, which stays": {
			setting: "500MiB", env: "300MiB", goLimit: 300 * mebibyte, cgroup: none,
			want: 500 * mebibyte, wantOfGo: 300 * mebibyte,
		},
		"GOMEMLIMIT": {
			env: "900MiB", goLimit: 900 * mebibyte, cgroup: cgroup(1024 * mebibyte),
			want: 900 * mebibyte, wantOfGo: 900 * mebibyte,
		},
		"GOMEMLIMIT=off":                  {env: "off", cgroup: cgroup(1024 * mebibyte)},
		"the control group":               {cgroup: cgroup(1000 * mebibyte), want: 650 * mebibyte, wantOfGo: 602 * mebibyte},
		"a control group without a limit": {cgroup: none},
		"no control group": {
			cgroup: func() (uint64, error) { return 0, memlimit.ErrNoCgroup },
		},
		"more than there can be": {cgroup: cgroup(math.MaxUint64), want: math.MaxInt64 / 100 * 65},
	} {
		t.Run(name, func(t *testing.T) {
			before := int64(math.MaxInt64)
			if test.goLimit > 0 {
				before = test.goLimit
			}
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(before))
			s, err := parse(map[string]string{"GATEWAY_MEMORY_LIMIT": test.setting})
			if err != nil {
				t.Fatal(err)
			}
			getenv := func(string) string { return test.env }
			budget, restore := limitMemory(s, getenv, test.cgroup, slog.New(slog.DiscardHandler))
			defer restore()
			if got := budget.Limit(); got != test.want {
				t.Errorf("the limit is %d", got)
			}
			wantOfGo := test.wantOfGo
			if wantOfGo == 0 {
				wantOfGo = min(before, memory.GoLimit(max(test.want, 0)))
				if test.want == 0 {
					wantOfGo = before
				}
			}
			if got := debug.SetMemoryLimit(-1); got != wantOfGo {
				t.Errorf("Go's limit is %d, and should be %d", got, wantOfGo)
			}
			restore()
			if got := debug.SetMemoryLimit(-1); got != before {
				t.Errorf("in the end Go's limit is %d", got)
			}
		})
	}
}

// The log says once where the limit comes from, or that there is none.
func TestMemoryLimitIsLogged(t *testing.T) {
	for want, cgroup := range map[string]memlimit.Provider{
		`msg="memory limit" bytes=651403350 source="the control group"`: memlimit.Limit(1002159000),
		`msg="no memory limit: GATEWAY_MEMORY_LIMIT sets one" source=lost`: func() (uint64, error) {
			return 0, errors.New("lost")
		},
	} {
		s, err := parse(nil)
		if err != nil {
			t.Fatal(err)
		}
		log := &lockedBuffer{}
		_, restore := limitMemory(s, func(string) string { return "" }, cgroup,
			slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		restore()
		if !strings.Contains(log.String(), want) {
			t.Errorf("log: %s", log)
		}
	}
}

func TestMemoryLimitIsChecked(t *testing.T) {
	for value, good := range map[string]bool{"127MiB": false, "128MiB": true, "much": false, "": true} {
		_, err := parse(map[string]string{"GATEWAY_MEMORY_LIMIT": value})
		if named := err != nil && strings.Contains(err.Error(), "GATEWAY_MEMORY_LIMIT"); named == good || good && err != nil {
			t.Errorf("%q: %v", value, err)
		}
	}
}

// Requests over HTTP/2 are counted for as long as they are open.
func TestStreamsAreCounted(t *testing.T) {
	const requests = 3
	budget := memory.NewBudget(0, 0, slog.New(slog.DiscardHandler))
	begun, goOn, ended := make(chan struct{}, requests), make(chan struct{}), make(chan struct{}, requests)
	counted := countStreams(budget, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-goOn
	}))
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		counted.ServeHTTP(w, r)
		ended <- struct{}{}
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	used := func() int64 { return budget.Accounts()[0].Used() }
	for _, test := range []struct {
		name     string
		protocol func(*http.Protocols, bool)
		want     int64
	}{
		{"HTTP/1.1", (*http.Protocols).SetHTTP1, 0},
		{"HTTP/2", (*http.Protocols).SetUnencryptedHTTP2, requests * streamBytes},
	} {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		test.protocol(transport.Protocols, true)
		var clients sync.WaitGroup
		for range requests {
			clients.Go(func() {
				resp, err := (&http.Client{Transport: transport}).Get(server.URL)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
			})
		}
		for range requests {
			<-begun
		}
		if used() != test.want {
			t.Errorf("%s: %d bytes are counted", test.name, used())
		}
		for range requests {
			goOn <- struct{}{}
			<-ended
		}
		if used() != 0 {
			t.Errorf("%s: %d bytes are counted in the end", test.name, used())
		}
		clients.Wait()
		transport.CloseIdleConnections()
	}
}
