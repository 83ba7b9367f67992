package admission_test

import (
	"fmt"

	"revox-graphql/graph/admission"
)

// A request takes a slot, reserves memory for its response, and gives both back.
func Example() {
	control := admission.New(1, 1<<20, 1<<20, nil) // one request at once
	first, second := control.Begin(), control.Begin()
	fmt.Println(first.Enter(), first.Reserve(100, 64<<10, 0), control.InFlight())
	fmt.Println(second.Enter(), control.Rejected(admission.InFlight))

	first.End()
	fmt.Println(second.Enter())
	// Output:
	// <nil> <nil> 1
	// too much is in flight 1
	// <nil>
}
