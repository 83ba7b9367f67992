package main

import (
	"testing"
	"time"
)

// A page is served while it is read afresh for as long as the TTL, unless that is set.
func TestRevalidateDefault(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want time.Duration
	}{
		"default":           {nil, 15 * time.Second},
		"as long as TTL":    {map[string]string{"GATEWAY_CACHE_TTL": "1m"}, time.Minute},
		"set":               {map[string]string{"GATEWAY_CACHE_TTL": "1m", "GATEWAY_CACHE_REVALIDATE": "5s"}, 5 * time.Second},
		"not at all":        {map[string]string{"GATEWAY_CACHE_TTL": "1m", "GATEWAY_CACHE_REVALIDATE": "0s"}, 0},
		"zero without unit": {map[string]string{"GATEWAY_CACHE_REVALIDATE": "0"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := parse(test.env)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.CacheRevalidate.or(s.CacheTTL); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	for _, bad := range []string{"soon", "-1s"} {
		if _, err := parse(map[string]string{"GATEWAY_CACHE_REVALIDATE": bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
