package stats

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// calls makes calls of upstream out of what JSON has of them.
func calls(t testing.TB, rows []map[string]any) []*upstream.Call {
	t.Helper()
	for i := range rows {
		rows[i]["id"] = fmt.Sprint(i)
	}
	body, err := json.Marshal(map[string]any{"calls": rows})
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := upstream.ParsePage(t.Context(), body, len(rows))
	if err != nil {
		t.Fatal(err)
	}
	made := make([]*upstream.Call, len(rows))
	for i, row := range page.Rows {
		made[i] = row.Call
	}
	return made
}

// random makes calls around a change of the clocks.
func random(n int, from, to time.Time) []map[string]any {
	dice := rand.New(rand.NewPCG(1, 2))
	rows := make([]map[string]any, n)
	for i := range rows {
		started := from.Add(time.Duration(dice.Int64N(int64(to.Sub(from)))))
		answered := started.Add(time.Duration(dice.IntN(30_000)) * time.Millisecond)
		row := map[string]any{"status": "completed", "started_at": started.UTC().Format(time.RFC3339Nano)}
		if dice.IntN(3) > 0 {
			row["answered_at"] = answered.UTC().Format(time.RFC3339Nano)
			row["ended_at"] = answered.Add(time.Duration(dice.IntN(600_000)) * time.Millisecond).UTC().Format(time.RFC3339Nano)
		}
		if dice.IntN(10) > 0 {
			row["result"] = []string{"human", "voicemail", "brand-new"}[dice.IntN(3)]
			row["end_reason"] = []string{"voicemail", "tool_end_call"}[dice.IntN(2)]
		}
		rows[i] = row
	}
	return rows
}

// straightforward counts in a plain way: it writes the group of each call as text, and keeps all durations.
func straightforward(t testing.TB, rows []map[string]any, zone *time.Location, layout string) map[string][]float64 {
	t.Helper()
	groups := map[string][]float64{}
	read := func(value any) time.Time {
		at, err := time.Parse(time.RFC3339Nano, value.(string))
		if err != nil {
			t.Fatal(err)
		}
		return at.Truncate(time.Millisecond)
	}
	for _, row := range rows {
		name := read(row["started_at"]).In(zone).Format(layout) + fmt.Sprint(" ", row["result"])
		duration := -1.0
		if row["answered_at"] != nil {
			duration = read(row["ended_at"]).Sub(read(row["answered_at"])).Seconds()
		}
		groups[name] = append(groups[name], duration)
	}
	return groups
}

// By day and by hour in Paris, over both changes of the clocks: every number is that of a straightforward computation,
// and percentiles are within the sketch's error.
func TestOverAChangeOfTheClocks(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	results := map[upstream.CallResult]string{
		upstream.CallResultHuman: "human", upstream.CallResultVoicemail: "voicemail",
		upstream.CallResultUnrecognized: "brand-new",
	}
	for _, change := range []time.Time{
		time.Date(2026, 3, 29, 2, 0, 0, 0, paris), time.Date(2026, 10, 25, 2, 0, 0, 0, paris),
	} {
		for step, layout := range map[Step]string{
			StepDay: "2006-01-02", StepHour: "2006-01-02 15h MST", StepMonth: "2006-01",
		} {
			t.Run(fmt.Sprint(change.Month(), step), func(t *testing.T) {
				rows := random(4000, change.AddDate(0, 0, -4), change.AddDate(0, 0, 4))
				tally, err := Compile([]Key{KeyResult}, &step, new("Europe/Paris"))
				if err != nil {
					t.Fatal(err)
				}
				for _, call := range calls(t, rows) {
					if err := tally.Add(call); err != nil {
						t.Fatal(err)
					}
				}
				groups, err := tally.Groups()
				if err != nil {
					t.Fatal(err)
				}
				want := straightforward(t, rows, paris, layout)
				if len(groups) != len(want) || tally.Count != len(rows) {
					t.Errorf("%d groups of %d, %d calls", len(groups), len(want), tally.Count)
				}
				var before string
				for _, g := range groups {
					from, err := time.Parse(time.RFC3339, *g.From)
					if err != nil || *g.From < before {
						t.Fatalf("%v, %s after %s", err, *g.From, before)
					}
					before = *g.From
					result := "<nil>"
					if g.Result != nil {
						result = results[*g.Result]
					}
					check(t, g, want[from.In(paris).Format(layout)+" "+result])
				}
			})
		}
	}
}

// check compares a group with the durations of its calls, -1 for a call without one.
func check(t *testing.T, g *Group, all []float64) {
	t.Helper()
	durations := slices.DeleteFunc(slices.Clone(all), func(d float64) bool { return d < 0 })
	slices.Sort(durations)
	total := 0.0
	for _, d := range durations {
		total += d
	}
	n := len(durations)
	if n == 0 {
		if g.Count != len(all) || g.Answered != 0 || *g.DurationSeconds != (Durations{}) {
			t.Errorf("%s: %d calls, %d answered, %+v", *g.From, g.Count, g.Answered, g.DurationSeconds)
		}
		return
	}
	if g.Count != len(all) || g.Answered != n || math.Abs(g.DurationSeconds.Total-total) > 1e-6 ||
		math.Abs(*g.DurationSeconds.Average-total/float64(n)) > 1e-6 || *g.DurationSeconds.Max != durations[n-1] {
		t.Errorf("%s: %d calls, %d answered, %+v; not %d, %d, %f", *g.From, g.Count, g.Answered, g.DurationSeconds,
			len(all), n, total)
		return
	}
	for quantile, got := range map[float64]float64{0.5: *g.DurationSeconds.P50, 0.9: *g.DurationSeconds.P90} {
		if want := durations[int(quantile*float64(n-1))]; math.Abs(got-want) > Accuracy*want+0.001 {
			t.Errorf("%s: the %v quantile is %f, not %f", *g.From, quantile, got, want)
		}
	}
}

func TestSteps(t *testing.T) {
	for name, test := range map[string]struct {
		step           Step
		zone, at, want string
	}{
		"an hour":                       {StepHour, "Europe/Paris", "2026-03-14T09:59:59.999Z", "2026-03-14T09:00:00Z"},
		"half an hour off":              {StepHour, "Asia/Kolkata", "2026-03-14T09:10:00Z", "2026-03-14T08:30:00Z"},
		"the first of two hours at 2":   {StepHour, "Europe/Paris", "2026-10-25T00:30:00Z", "2026-10-25T00:00:00Z"},
		"the second of two hours at 2":  {StepHour, "Europe/Paris", "2026-10-25T01:30:00Z", "2026-10-25T01:00:00Z"},
		"a day":                         {StepDay, "Europe/Paris", "2026-03-14T22:59:59Z", "2026-03-13T23:00:00Z"},
		"the day after it":              {StepDay, "Europe/Paris", "2026-03-14T23:00:00Z", "2026-03-14T23:00:00Z"},
		"a day of 23 hours":             {StepDay, "Europe/Paris", "2026-03-29T21:59:59Z", "2026-03-28T23:00:00Z"},
		"a day of 25 hours":             {StepDay, "Europe/Paris", "2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z"},
		"a day that begins at 1":        {StepDay, "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z"},
		"a midnight that comes twice":   {StepDay, "Asia/Amman", "2021-10-28T21:30:00Z", "2021-10-28T21:00:00Z"},
		"the second one":                {StepDay, "Asia/Amman", "2021-10-28T22:30:00Z", "2021-10-28T21:00:00Z"},
		"a week":                        {StepWeek, "Europe/Paris", "2026-03-15T12:00:00Z", "2026-03-08T23:00:00Z"},
		"a Monday":                      {StepWeek, "UTC", "2026-03-16T00:00:00Z", "2026-03-16T00:00:00Z"},
		"a week into the last month":    {StepWeek, "UTC", "2026-05-02T00:00:00Z", "2026-04-27T00:00:00Z"},
		"a month":                       {StepMonth, "Europe/Paris", "2026-04-30T21:59:59Z", "2026-03-31T22:00:00Z"},
		"a month with the clocks later": {StepMonth, "America/New_York", "2026-03-31T12:00:00Z", "2026-03-01T05:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			tally, err := Compile(nil, &test.step, &test.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339Nano, test.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Unix(tally.start(at).Unix(), 0).UTC().Format(time.RFC3339); got != test.want {
				t.Errorf("%s, not %s", got, test.want)
			}
		})
	}
}

// Without keys and steps there is one group, also of nothing. Calls that have not started have no step.
func TestGroups(t *testing.T) {
	one, err := Compile(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := one.Groups()
	if err != nil || len(groups) != 1 || groups[0].Count != 0 || groups[0].DurationSeconds.Average != nil {
		t.Errorf("%v, %+v", err, groups)
	}
	byDay, err := Compile([]Key{KeyEndReason, KeyStatus, KeyDialError, KeyEndedBy}, new(StepDay), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range calls(t, []map[string]any{
		{"status": "queued"},
		{"status": "queued"},
		{
			"status": "error", "dial_error": "busy", "end_reason": `say "no"`, "ended_by": "system",
			"started_at": "2026-03-14T01:00:00Z",
		},
	}) {
		if err := byDay.Add(call); err != nil {
			t.Fatal(err)
		}
	}
	if groups, err = byDay.Groups(); err != nil || len(groups) != 2 {
		t.Fatalf("%v, %d groups", err, len(groups))
	}
	if g := groups[0]; g.From != nil || g.Count != 2 || g.DialError != nil || g.EndReason != nil {
		t.Errorf("%+v", g)
	}
	if g := groups[1]; *g.From != "2026-03-14T00:00:00Z" || *g.EndReason != `say "no"` || g.Result != nil ||
		*g.DialError != upstream.DialErrorBusy || *g.EndedBy != upstream.CallEndedBySystem {
		t.Errorf("%+v", g)
	}
}

func TestTooManyGroups(t *testing.T) {
	rows := make([]map[string]any, MaxGroups+1)
	for i := range rows {
		rows[i] = map[string]any{"end_reason": fmt.Sprint("reason ", i)}
	}
	tally, err := Compile([]Key{KeyEndReason}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, call := range calls(t, rows) {
		err := tally.Add(call)
		if _, tooMany := errors.AsType[*TooManyGroupsError](err); tooMany != (i == MaxGroups) {
			t.Fatalf("group %d: %v", i, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for argument, compile := range map[string]func() (*Tally, error){
		"groupBy":  func() (*Tally, error) { return Compile([]Key{KeyStatus, 0}, nil, nil) },
		"every":    func() (*Tally, error) { return Compile(nil, new(Step(0)), nil) },
		"timeZone": func() (*Tally, error) { return Compile(nil, nil, new("Europe/Atlantis")) },
	} {
		_, err := compile()
		if refused, ok := errors.AsType[*relay.ArgumentError](err); !ok || refused.Argument != argument {
			t.Errorf("%s: %v", argument, err)
		}
	}
	for _, zone := range []string{"", "Local", "../../etc/passwd", "/etc/localtime", "+01:00"} {
		if _, err := Compile(nil, nil, &zone); err == nil {
			t.Errorf("%q is a time zone", zone)
		}
	}
}
