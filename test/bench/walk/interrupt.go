package walk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"revox-graphql/test/bench/report"
	"revox-graphql/upstream/fake"
)

// interrupt kills a walk several times, lets it finish, and compares the file with the list.
func (w *walker) interrupt(ctx context.Context, t *report.Table) error {
	if w.kills == 0 {
		return nil
	}
	path := filepath.Join(w.dir, "killed")
	began, listed := time.Now(), w.rest.IDs()
	moving, stop := context.WithCancel(ctx)
	defer stop()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.move(moving)
	}()
	kills, requests := 0, 0
	for {
		killed, err := w.runKilled(ctx, path, kills < w.kills)
		requests += len(w.rest.Requests())
		if err != nil {
			return err
		}
		if !killed {
			break
		}
		kills++
	}
	took := time.Since(began)
	stop()
	<-stopped
	lines, twice, lost, err := w.verify(path, listed)
	if err != nil {
		return err
	}
	t.Head("killed and restarted", "kills", "lines", "twice", "lost", "calls per second, with the starts",
		"upstream requests")
	t.Row("`query --all`, whole calls", strconv.Itoa(kills), humanize.Comma(int64(lines)),
		strconv.Itoa(twice), strconv.Itoa(lost),
		humanize.Comma(int64(float64(lines)/took.Seconds())), strconv.Itoa(requests))
	if twice+lost > 0 || lines != fake.DefaultCalls && w.comes+w.leave == 0 {
		return fmt.Errorf("%d lines, %d twice, %d lost", lines, twice, lost)
	}
	return nil
}

// move lets calls arrive and leave, ten times per second, until ctx ends.
func (w *walker) move(ctx context.Context) {
	const perSecond = 10
	ids := w.rest.IDs()
	for tick := range time.Tick(time.Second / perSecond) {
		if ctx.Err() != nil {
			return
		}
		part := tick.UnixMilli() / (1000 / perSecond) % perSecond
		share := func(calls int) int { return (calls*int(part+1))/perSecond - calls*int(part)/perSecond }
		w.rest.Insert(share(w.comes))
		for range share(w.leave) {
			i := w.dice.IntN(len(ids))
			w.rest.Remove(ids[i])
			ids = slices.Delete(ids, i, i+1)
		}
	}
}

// runKilled runs the command once, and kills it shortly after one of its upstream requests.
func (w *walker) runKilled(ctx context.Context, path string, kill bool) (killed bool, err error) {
	ctx, cancel := context.WithCancel(ctx) // kills the command
	defer cancel()
	last := 2 + w.dice.IntN(2*(fake.DefaultCalls/loopPageSize)/(w.kills+1)+1)
	later := time.Duration(w.dice.Int64N(int64(10 * time.Millisecond)))
	w.rest.ResetRequests()
	w.rest.Behave(func(b *fake.Behaviour) {
		b.Fault = func(n int, _ *http.Request) *fake.Response {
			if kill && n == last {
				time.AfterFunc(later, cancel)
			}
			return nil
		}
	})
	cmd, log := w.command(ctx, path, "-d", wholeCall)
	err = cmd.Run()
	if err != nil && cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == -1 && kill {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("%w: %s", err, log)
	}
	return false, nil
}

// verify compares a file with the list. A call is lost if it was listed at first, still is, and is not in the file.
func (w *walker) verify(path string, listed []string) (lines, twice, lost int, err error) {
	file, err := os.Open(path) //nolint:gosec // in a folder of this program
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { _ = file.Close() }()
	seen := map[string]int{}
	for reader := json.NewDecoder(file); reader.More(); lines++ {
		var call struct{ ID string }
		if err := reader.Decode(&call); err != nil {
			return 0, 0, 0, fmt.Errorf("line %d: %w", lines+1, err)
		}
		if seen[call.ID]++; seen[call.ID] > 1 {
			twice++
		}
	}
	for _, id := range w.rest.IDs() {
		if seen[id] == 0 && slices.Contains(listed, id) {
			lost++
		}
	}
	return lines, twice, lost, nil
}
