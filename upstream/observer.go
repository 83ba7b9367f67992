package upstream

import "time"

// Observer is told what a [Client] meets. Its methods must be quick, and safe for concurrent use. Embed [Unobserved] to
// leave some out.
type Observer interface {
	// Attempted: upstream was asked, and this came of it after so long: "ok", or the kind of the error.
	Attempted(outcome string, took time.Duration)
	// Retried: upstream is to be asked again, because of an error of this kind.
	Retried(because Kind)
	// Replayed: net/http sent a request once more, by itself, because a connection had died.
	Replayed()
	// Refused: upstream was not asked, because it is known not to answer, or because too much waits for it already.
	Refused(because Kind)
	// Opened and Closed: a tenant's circuit breaker.
	Opened(tenant Tenant)
	Closed(tenant Tenant)
	// Paced: upstream said that it was asked too often, and is now asked so many times a second at the most.
	Paced(tenant Tenant, perSecond float64)
	// FirstPage: upstream numbers its first page so. Told when it is found out, and when it has changed.
	FirstPage(tenant Tenant, number int)
	// PageSize: upstream serves no more than so many rows a page, of some list at least. Told like FirstPage.
	PageSize(tenant Tenant, rows int)
	// StatusesChecked: whether upstream filters by several statuses as they are sent. Told once for each tenant.
	StatusesChecked(tenant Tenant, applied bool)
	// Unrecognized: upstream sent a field (then value is empty) or a value of a field that this package does not know.
	// Told once for each page that has it.
	Unrecognized(field, value string)
}

// Unobserved is an [Observer] of nothing.
type Unobserved struct{}

// Attempted implements [Observer], and so do all methods.
func (Unobserved) Attempted(string, time.Duration) {}

// Retried does nothing.
func (Unobserved) Retried(Kind) {}

// Replayed does nothing.
func (Unobserved) Replayed() {}

// Refused does nothing.
func (Unobserved) Refused(Kind) {}

// Opened does nothing.
func (Unobserved) Opened(Tenant) {}

// Closed does nothing.
func (Unobserved) Closed(Tenant) {}

// Paced does nothing.
func (Unobserved) Paced(Tenant, float64) {}

// FirstPage does nothing.
func (Unobserved) FirstPage(Tenant, int) {}

// PageSize does nothing.
func (Unobserved) PageSize(Tenant, int) {}

// StatusesChecked does nothing.
func (Unobserved) StatusesChecked(Tenant, bool) {}

// Unrecognized does nothing.
func (Unobserved) Unrecognized(string, string) {}
