// Go lists all calls whose orders have a status: go run . CANCELLED
package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"os"

	"github.com/Khan/genqlient/graphql"
)

//go:generate go tool genqlient

func main() {
	url := cmp.Or(os.Getenv("GATEWAY_URL"), "http://127.0.0.1:8080/graphql")
	client := graphql.NewClient(url, http.DefaultClient)
	statuses := make([]CallOrderStatus, 0, len(os.Args)-1)
	for _, status := range os.Args[1:] {
		statuses = append(statuses, CallOrderStatus(status))
	}
	n := 0
	for call, err := range allCalls(context.Background(), client, statuses) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(call.Id, call.Status)
		n++
	}
	fmt.Println(n, "calls")
}

// allCalls walks the list to its end, a page at a time. Calls that arrive meanwhile disturb nothing.
func allCalls(
	ctx context.Context, client graphql.Client, statuses []CallOrderStatus,
) iter.Seq2[*CallsCallsCallConnectionNodesCall, error] {
	return func(yield func(*CallsCallsCallConnectionNodesCall, error) bool) {
		var after *string
		for more := true; more; {
			page, err := Calls(ctx, client, statuses, after)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Calls.Nodes {
				if !yield(&page.Calls.Nodes[i], nil) {
					return
				}
			}
			more, after = page.Calls.PageInfo.HasNextPage, page.Calls.PageInfo.EndCursor
		}
	}
}
