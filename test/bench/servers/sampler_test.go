package servers

import (
	"os/exec"
	"testing"
)

// A process is watched, and where no control group bounds it killed beyond a bound.
func TestSampler(t *testing.T) {
	for name, test := range map[string]struct {
		bound  int
		killed bool
	}{
		"without a bound": {0, false},
		"below it":        {1 << 30, false},
		"beyond it":       {1, true},
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
