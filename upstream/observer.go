package upstream

import "time"

// Observer has the methods that the client of upstream calls for its events. They must be quick, and safe for
// concurrent use. Embed [Unobserved] to leave some out.
type Observer interface {
	// Attempted is called after a request to upstream, with its result ("ok", or the kind of the error) and how long it
	// took.
	Attempted(outcome string, took time.Duration)
	// Retried is called before a request is sent again, with the kind of the error of the last attempt.
	Retried(reason Kind)
	// Replayed is called when net/http has sent a request once more, by itself, because a connection had died.
	Replayed()
	// Refused is called when a request is not sent, because upstream is known to fail, or because too many requests
	// already wait for it.
	Refused(reason Kind)
	// BreakerOpened and BreakerClosed are called when a tenant's circuit breaker changes. A breaker that stays open
	// opens again after each attempt that was to close it.
	BreakerOpened(tenant Tenant)
	BreakerClosed(tenant Tenant)
	// RateLowered is called when upstream has answered 429, with the requests per second that it is now sent at most.
	RateLowered(tenant Tenant, perSecond float64)
	// FirstPage is called with the number of upstream's first page when it is found out, and when it has changed.
	FirstPage(tenant Tenant, number int)
	// PageSize is called with the most rows that upstream serves a page, of some list at least, when that is found out,
	// and when it has changed: with 0 when upstream serves larger pages of that list again.
	PageSize(tenant Tenant, rows int)
	// StatusesChecked is called once for each tenant, with whether upstream filters by several statuses as they are
	// sent.
	StatusesChecked(tenant Tenant, applied bool)
	// Unrecognized is called once for each page that has a field (then value is empty), or a value of a field, that
	// this package does not know.
	Unrecognized(field, value string)
}

// Unobserved is an [Observer] that does nothing.
type Unobserved struct{}

// Attempted implements [Observer], and so do all methods.
func (Unobserved) Attempted(string, time.Duration) {}

// Retried does nothing.
func (Unobserved) Retried(Kind) {}

// Replayed does nothing.
func (Unobserved) Replayed() {}

// Refused does nothing.
func (Unobserved) Refused(Kind) {}

// BreakerOpened does nothing.
func (Unobserved) BreakerOpened(Tenant) {}

// BreakerClosed does nothing.
func (Unobserved) BreakerClosed(Tenant) {}

// RateLowered does nothing.
func (Unobserved) RateLowered(Tenant, float64) {}

// FirstPage does nothing.
func (Unobserved) FirstPage(Tenant, int) {}

// PageSize does nothing.
func (Unobserved) PageSize(Tenant, int) {}

// StatusesChecked does nothing.
func (Unobserved) StatusesChecked(Tenant, bool) {}

// Unrecognized does nothing.
func (Unobserved) Unrecognized(string, string) {}
