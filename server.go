// Revox-graphql is a GraphQL gateway over the REST endpoint with which Revox lists calls. Package gateway is the
// program.
package main

//go:generate go tool gqlgen generate

import (
	"os"

	"revox-graphql/gateway"
)

func main() { os.Exit(gateway.Main(os.Args[1:])) }
