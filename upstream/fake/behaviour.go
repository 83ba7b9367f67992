package fake

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Behaviour holds the switches. The zero value is the endpoint as documented, with pages counted from 0; each switch
// is something that the documentation leaves open, or a fault.
//
// Fault, Short and Lag get n, the number of the request, counted from 1 since the last ResetRequests. They are called
// without a lock, and concurrently for concurrent requests.
type Behaviour struct {
	FirstPage   int  // 0 or 1: the number of the first page
	LenientPage bool // with FirstPage 1: page 0 and below serve the first page instead of a 422
	// PageZero, when not 0, is the status of the response to page 0 when FirstPage is 1, with an error as the body. It
	// takes precedence over LenientPage. It does not change the response to a page below 0.
	PageZero      int
	LeastPageSize int  // above 0: a smaller page_size is silently raised to it, for the rows and for the offset
	MaxPageSize   int  // above 0: a larger page_size is lowered likewise; takes precedence over LeastPageSize
	IgnorePage    bool // every page number serves the first page
	// PastEnd is the response to a page past the end: "" an empty list; "400", "404", "422" or "500" that status,
	// with an error as the body; "204" that status, without a body; "null" the value null instead of a list; "last" the
	// last page; "first" the first page. The first page is never past the end, not even when the list is empty.
	PastEnd string

	// Order is the order of the list:
	//
	//	""             the newest arrival first; Move makes exceptions
	//	"reversed"     the list of "" from its end
	//	"queued-first" first the calls with the status queued, then the others, both in the order of "". So a call
	//	               moves down when it is dialled
	//	"started"      by started_at as it is rendered, the latest first. A call without one stands where its time
	//	               of arrival belongs, so a call moves up when it is dialled
	//	"updated"      by the time of the last change of the status, or else of the arrival, the latest first. So a
	//	               call moves to the head when it changes. A transcript that grows is not a change
	//
	// Calls with equal times stand in the order of arrival, the newest first. Rows of SetRows always stand last.
	Order     string
	ListTwice []string // ids of calls that are listed a second time, after all other calls and in this order
	// SwapTies changes the order of neighbours from response to response. When n is even, row 2i and row 2i+1 of the
	// list change places. Rows are counted from 0, after the filter. It swaps every such pair, also when their times
	// differ. A last row without a partner keeps its place.
	SwapTies bool
	// Lag, when not nil, returns how many of the newest calls are missing from the list for the n-th response, as on a
	// replica that lags behind. The newest calls are those that arrived last, wherever they stand.
	Lag func(n int) int

	// Drop, Short and MaxPageBytes make a response shorter than the page that was requested. They are applied in this
	// order. They do not change where a page begins, so no other page has the rows that are missing.

	// Drop, above 0, leaves every Drop-th call out of its page. Calls are counted in the order of arrival: the oldest
	// call of the first list is number 1. So every response lacks the same calls. No row of SetRows is left out.
	Drop int
	// Short, when not nil, returns how many rows of its page, from the first on, the n-th response has. It is called for
	// every response that is a list, with the number of rows after Drop.
	Short func(n int, rows int) int
	// MaxPageBytes, above 0, ends a response before the row with which its rows would have more bytes than this. Commas
	// do not count. The first row is never left out.
	MaxPageBytes int

	// StatusesFormat is the one format of several statuses that the fake understands: "comma" or "" (statuses=a,b),
	// "repeat" (statuses=a&statuses=b) or "brackets" (statuses[]=a&statuses[]=b). Statuses in another format are
	// silently ignored, except that a single value that is no status is a 422.
	StatusesFormat string
	Key            string        // the expected bearer key: another one is a 401; "" accepts any key, or none
	Latency        time.Duration // before every response; ends early when the client leaves
	// Fault, when not nil, is called for every request. It returns a response to send instead of the list, or nil for
	// the real response.
	Fault func(n int, r *http.Request) *Response
}

// The values of the switches Order and PastEnd.
var (
	orderings = []string{"", "reversed", "queued-first", "started", "updated"}
	pastEnds  = []string{"", "400", "404", "422", "500", "204", "null", "last", "first"}
)

// Orders returns the values of Order.
func Orders() []string { return slices.Clone(orderings) }

// PastEnds returns the values of PastEnd.
func PastEnds() []string { return slices.Clone(pastEnds) }

// Response is a response that the fake sends instead of its own.
type Response struct {
	Status   int         // 0: 200
	Header   http.Header // set on the response; replaces the fake's own headers
	Body     []byte      // nil: the body of the real response
	Truncate bool        // announce the whole length, write half of the body, cut the connection
}

// Behave changes the switches atomically: a request sees all of the change or none of it. A request that has begun
// continues with the previous switches. change must not call Behave. Behave panics when Order or PastEnd has an
// unknown value.
func (u *Upstream) Behave(change func(*Behaviour)) {
	u.behaving.Lock()
	defer u.behaving.Unlock()
	b := *u.behaviour.Load()
	change(&b)
	switch {
	case !slices.Contains(orderings, b.Order):
		panic("fake: no such Order: " + b.Order)
	case !slices.Contains(pastEnds, b.PastEnd):
		panic("fake: no such PastEnd: " + b.PastEnd)
	}
	b.ListTwice = slices.Clone(b.ListTwice)
	if b.Order == "updated" {
		u.settle() // before any request looks for the ends of the calls
	}
	u.behaviour.Store(&b)
}

// query is what a request asks for, as these switches understand it.
type query struct {
	page, pageSize int      // as sent; -1 where absent or unreadable
	from, rows     int      // the requested window of the list
	statuses       orderSet // 0: all
	names          []string // of statuses, in the order sent
	refusal        string   // why there is no list; "" when there is one
	status         int      // of the response with the refusal
}

func readQuery(values url.Values, b *Behaviour) query {
	q := query{status: http.StatusUnprocessableEntity}
	var pageOK, sizeOK bool
	q.page, pageOK = number(values, "page")
	q.pageSize, sizeOK = number(values, "page_size")
	q.readStatuses(values, b.StatusesFormat)
	lenient := b.LenientPage && b.FirstPage == 1
	switch {
	case q.page == 0 && b.FirstPage == 1 && b.PageZero != 0:
		q.refusal, q.status = "page: there is no page 0.", b.PageZero
		return q
	case !pageOK || q.page < b.FirstPage && !lenient:
		q.refusal = "page: expected a number of at least " + strconv.Itoa(b.FirstPage) + "."
		return q
	case !sizeOK || q.pageSize < 1:
		q.refusal = "page_size: expected a number of at least 1."
		return q
	}

	q.rows = max(q.pageSize, b.LeastPageSize)
	if b.MaxPageSize > 0 {
		q.rows = min(q.rows, b.MaxPageSize)
	}
	index := max(q.page-b.FirstPage, 0)
	if b.IgnorePage {
		index = 0
	}
	if q.from = index * q.rows; q.from/q.rows != index {
		q.from = int(^uint(0) >> 1) // the product overflows: past the end of any list
	}
	return q
}

func (q *query) readStatuses(values url.Values, format string) {
	plain, brackets := values["statuses"], values["statuses[]"]
	var sent []string
	understood := true
	switch {
	case format == "brackets" && len(plain) == 0:
		sent = brackets
	case format == "repeat" && len(brackets) == 0:
		sent = plain
	case (format == "" || format == "comma") && len(brackets) == 0 && len(plain) <= 1:
		if len(plain) == 1 && plain[0] != "" {
			sent = strings.Split(plain[0], ",")
		}
	default:
		understood = false
		if sent = append(append(sent, plain...), brackets...); len(sent) != 1 {
			return
		}
	}
	var set orderSet
	for _, name := range sent {
		status, ok := orderNamed(name)
		if !ok {
			q.refusal = "statuses: not a status of an order."
			return
		}
		set |= 1 << status
	}
	if understood {
		q.statuses, q.names = set, sent
	}
}

// number reads a whole number; if there is none, it returns -1 and false.
func number(values url.Values, name string) (int, bool) {
	n, err := strconv.Atoi(values.Get(name))
	if err != nil {
		return -1, false
	}
	return n, true
}
