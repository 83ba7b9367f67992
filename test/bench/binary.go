package main

import (
	"fmt"
	"os/exec"
)

// defaultGateway is where `make build` puts the gateway.
const defaultGateway = "bin/revox-graphql"

// checkGateway returns an error if there is no built gateway at a path.
func checkGateway(path string) error {
	if _, err := exec.LookPath(path); err != nil {
		return fmt.Errorf("-gateway: build it first with make build (%w)", err)
	}
	return nil
}
