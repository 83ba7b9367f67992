// Go lists all calls whose orders have a status: go run . CANCELLED
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	neturl "net/url"
	"os"

	"github.com/Khan/genqlient/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

//go:generate go tool genqlient

func main() {
	url := cmp.Or(os.Getenv("GATEWAY_URL"), "http://127.0.0.1:8080/graphql")
	client := graphql.NewClient(url, &http.Client{
		Transport: withToken{os.Getenv("GATEWAY_TOKEN")},
		// A redirect would take the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	statuses := make([]CallOrderStatus, 0, len(os.Args)-1)
	for _, status := range os.Args[1:] {
		statuses = append(statuses, CallOrderStatus(status))
	}
	n, status := 0, 0
	for call, err := range allCalls(context.Background(), client, statuses) {
		if err != nil {
			fmt.Fprintln(os.Stderr, explain(url, err))
			status = 1
			continue
		}
		fmt.Println(call.Id, call.Status)
		n++
	}
	fmt.Println(n, "calls")
	os.Exit(status)
}

// withToken sends the gateway's token, if there is one.
type withToken struct{ token string }

func (t withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+t.token)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// explain returns what went wrong, in one sentence.
func explain(url string, err error) string {
	var list gqlerror.List
	if httpErr, ok := errors.AsType[*graphql.HTTPError](err); ok {
		list = httpErr.Response.Errors
	} else if _, ok := errors.AsType[*neturl.Error](err); ok {
		return fmt.Sprintf("There is no gateway at %s.", url)
	} else {
		errors.As(err, &list)
	}
	// Without a code, the error is not the gateway's.
	if len(list) > 0 && list[0].Extensions["code"] != nil {
		return fmt.Sprintf("%s (%s)", list[0].Message, list[0].Extensions["code"])
	}
	return fmt.Sprintf("There is no GraphQL at %s: GATEWAY_URL must be the whole address, with /graphql.", url)
}

// allCalls walks the list to its end, a page at a time. Calls that arrive meanwhile disturb nothing. A call that the
// gateway cannot read is an error beside the others. After any other error, the walk ends.
func allCalls(
	ctx context.Context, client graphql.Client, statuses []CallOrderStatus,
) iter.Seq2[*CallsCallsCallConnectionNodesCall, error] {
	return func(yield func(*CallsCallsCallConnectionNodesCall, error) bool) {
		var after *string
		for more := true; more; {
			page, err := Calls(ctx, client, statuses, after)
			if err != nil && (!yield(nil, err) || page.Calls == nil) {
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
