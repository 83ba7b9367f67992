package rest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"

	"revox-graphql/upstream"
	"revox-graphql/upstream/fake"
	"revox-graphql/upstream/rest"
)

// A client finds out by itself whether upstream counts its pages from 0 or from 1.
func ExampleClient_ListCalls() {
	list := fake.New(fake.Config{Seed: 1, Calls: 50})
	list.Behave(func(b *fake.Behaviour) { b.FirstPage, b.Key = 1, "secret" })
	server := httptest.NewServer(list)
	defer server.Close()
	base, err := url.Parse(server.URL + "/api")
	if err != nil {
		fmt.Println(err)
		return
	}
	client := rest.NewClient(rest.Options{BaseURL: base, FirstPage: upstream.FirstPageAuto})
	defer client.Close()

	for _, key := range []string{"secret", "wrong"} {
		page, err := client.ListCalls(context.Background(), upstream.ListCallsOptions{
			List: upstream.List{Credential: upstream.NewCredential(key)}, Page: 2, PageSize: 20,
		})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(len(page.Rows), "rows from row", page.Offset(), "- the list ends here:", page.Last())
	}
	// Output:
	// 10 rows from row 40 - the list ends here: true
	// upstream: unauthenticated: HTTP 401
}
