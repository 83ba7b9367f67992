package encode

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
)

// Every field of every type that writes itself has something to write, and nothing else has.
func TestEveryFieldIsWritten(t *testing.T) {
	schema := parsedSchema(t)
	entries := entryObject(null, true)
	for name, fields := range map[string][]string{
		connectionObject.name: slices.Collect(maps.Keys(connectionObject.fields)),
		edgeObject.name:       slices.Collect(maps.Keys(edgeObject.fields)),
		pageInfoObject.name:   slices.Collect(maps.Keys(pageInfoObject.fields)),
		scanObject.name:       slices.Collect(maps.Keys(scanObject.fields)),
		callObject.name:       slices.Collect(maps.Keys(callObject.fields)),
		entries.name:          slices.Collect(maps.Keys(entries.fields)),
	} {
		var want []string
		for _, field := range schema.Types[name].Fields {
			want = append(want, field.Name)
		}
		slices.Sort(fields)
		slices.Sort(want)
		if !slices.Equal(fields, want) {
			t.Errorf("%s writes %v, and has %v", name, fields, want)
		}
	}
	generated := []string{"CallStats", "CallStatsGroup", "DurationStats"} // which gqlgen writes
	for _, def := range schema.Types {
		known := []string{
			"Query", connectionObject.name, edgeObject.name, pageInfoObject.name, scanObject.name, callObject.name, entries.name,
		}
		if def.Kind == "OBJECT" && !strings.HasPrefix(def.Name, "__") && !slices.Contains(known, def.Name) &&
			!slices.Contains(generated, def.Name) {
			t.Errorf("%s does not write itself", def.Name)
		}
	}
	if got := schema.Types[callObject.name].Interfaces; !slices.Equal(got, callObject.interfaces) {
		t.Errorf("Call implements %v", got)
	}
}

// Seconds are written as gqlgen does.
func TestSeconds(t *testing.T) {
	for _, ms := range []int64{
		0, 1, 10, 99, 100, 120, 123, 1000, 1001, 1500, 59_990, 61_000, 999_999_999, 1e9, 1e12 + 1, -1, -1500,
	} {
		var want strings.Builder
		graphql.MarshalFloat(float64(ms) / 1000).MarshalGQL(&want)
		if got := string(appendSeconds(nil, ms)); got != want.String() {
			t.Errorf("%d ms: %s, want %s", ms, got, want.String())
		}
	}
}
