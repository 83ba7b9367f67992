package fake

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Behaviour holds the switches. The zero value is the endpoint as documented, with pages counted from 0; each switch
// is something the documentation leaves open, or something that goes wrong.
type Behaviour struct {
	FirstPage   int  // 0 or 1: the number of the first page
	LenientPage bool // with FirstPage 1: page 0 and below serve the first page instead of a 422
	MaxPageSize int  // above 0: a larger page_size is silently lowered to it, for the rows and for the offset
	IgnorePage  bool // every page number serves the first page
	// StatusesFormat is the one way to send several statuses that is understood: "comma" or "" (statuses=a,b),
	// "repeat" (statuses=a&statuses=b) or "brackets" (statuses[]=a&statuses[]=b). Sent in another way they are
	// silently not applied, except that a single value that is no status is a 422.
	StatusesFormat string
	Key            string        // the expected bearer key, a wrong one is a 401; "" accepts any, and none
	Latency        time.Duration // passes before every answer; ends early when the client goes away
	// Fault, when not nil, is asked for every request and may give the answer instead of the list; nil: the real
	// answer. n counts requests from 1 since the last ResetRequests. No lock is held.
	Fault func(n int, r *http.Request) *Answer
}

// Answer is what a Fault answers.
type Answer struct {
	Status   int         // 0: 200
	Header   http.Header // set on the answer, also over what the fake would set
	Body     []byte      // nil: the body of the real answer
	Truncate bool        // announce the whole length, write half of the body, cut the connection
}

// Behave changes the switches atomically: a request sees all of the change or nothing of it. A request that has begun
// goes on with what it began with. change must not call Behave.
func (u *Upstream) Behave(change func(*Behaviour)) {
	u.behaving.Lock()
	defer u.behaving.Unlock()
	b := *u.behaviour.Load()
	change(&b)
	u.behaviour.Store(&b)
}

// query is a request's question, as these switches understand it.
type query struct {
	page, pageSize int      // as sent; -1 where absent or unreadable
	from, rows     int      // the window of the list that is meant
	statuses       orderSet // 0: all
	names          []string // of statuses, in the order sent
	refusal        string   // why this is a 422; "" when it is not
}

func readQuery(values url.Values, b *Behaviour) query {
	var q query
	var pageOK, sizeOK bool
	q.page, pageOK = number(values, "page")
	q.pageSize, sizeOK = number(values, "page_size")
	q.readStatuses(values, b.StatusesFormat)
	lenient := b.LenientPage && b.FirstPage == 1
	switch {
	case !pageOK || q.page < b.FirstPage && !lenient:
		q.refusal = "page: expected a number of at least " + strconv.Itoa(b.FirstPage) + "."
		return q
	case !sizeOK || q.pageSize < 1:
		q.refusal = "page_size: expected a number of at least 1."
		return q
	}

	q.rows = q.pageSize
	if b.MaxPageSize > 0 {
		q.rows = min(q.rows, b.MaxPageSize)
	}
	index := max(q.page-b.FirstPage, 0)
	if b.IgnorePage {
		index = 0
	}
	if q.from = index * q.rows; q.from/q.rows != index {
		q.from = int(^uint(0) >> 1) // so far out that the product overflows: past the end in any case
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

// number reads a whole number; where there is none it is -1 and false.
func number(values url.Values, name string) (int, bool) {
	n, err := strconv.Atoi(values.Get(name))
	if err != nil {
		return -1, false
	}
	return n, true
}
