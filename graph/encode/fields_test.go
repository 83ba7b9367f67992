package encode

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// The tables have every field of every type that writes itself, and no other field.
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
	generated := []string{"CallStats", "CallStatsGroup", "DurationStats"} // gqlgen writes these
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

// Floats have no exponent, however large they are.
func TestFloats(t *testing.T) {
	for ms, want := range map[int64]string{
		0: "0", 1: "0.001", 10: "0.01", 99: "0.099", 100: "0.1", 120: "0.12", 123: "0.123", 1000: "1", 1001: "1.001",
		1500: "1.5", 59_990: "59.99", 61_000: "61", 999_999_999: "999999.999", 1e9: "1000000",
		2_816_418_625: "2816418.625", 1e12 + 1: "1000000000.001", 1e18: "1000000000000000", -1: "-0.001", -1500: "-1.5",
	} {
		if got := string(appendSeconds(nil, ms)); got != want {
			t.Errorf("%d ms: %s, want %s", ms, got, want)
		}
		var got strings.Builder
		MarshalFloat(float64(ms) / 1000).MarshalGQL(&got)
		if got.String() != want {
			t.Errorf("%d ms as a Float: %s, want %s", ms, got.String(), want)
		}
	}
	var small strings.Builder
	if MarshalFloat(1e-7).MarshalGQL(&small); small.String() != "0.0000001" {
		t.Errorf("got %s", small.String())
	}
}
