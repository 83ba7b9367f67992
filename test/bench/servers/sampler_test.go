package servers

import (
	"os/exec"
	"testing"
)

// A process is sampled, and killed above a limit.
func TestSampler(t *testing.T) {
	for name, test := range map[string]struct {
		bound  int
		killed bool
	}{
		"without a limit": {0, false},
		"below the limit": {1 << 30, false},
		"above the limit": {1, true},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "cat")
			stdin, err := cmd.StdinPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			s := SampleMemory(cmd.Process.Pid, test.bound)
			if test.killed {
				<-s.done
			} else {
				_ = s.Stop()
			}
			_ = stdin.Close()
			if err := cmd.Wait(); (err != nil) != test.killed {
				t.Errorf("it has ended with %v", err)
			}
			if s.most == 0 {
				t.Error("nothing was seen of its memory")
			}
		})
	}
}
