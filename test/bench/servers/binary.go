package servers

import (
	"fmt"
	"os/exec"
)

// DefaultGateway is where `make build` puts the gateway.
const DefaultGateway = "bin/revox-graphql"

// CheckGateway returns an error if there is no built gateway at a path.
func CheckGateway(path string) error {
	if _, err := exec.LookPath(path); err != nil {
		return fmt.Errorf("-gateway: build it first with make build (%w)", err)
	}
	return nil
}
