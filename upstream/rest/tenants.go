package rest

import (
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"revox-graphql/upstream"
	"revox-graphql/upstream/attempt"
	"revox-graphql/upstream/verify"
)

const (
	// maxTenants is how many tenants the client remembers; it forgets the least recently seen. maxUnproven is the
	// separate number for tenants whose key upstream has never accepted: made-up keys displace no other tenant.
	maxTenants  = 4096
	maxUnproven = 1024
)

// tenant is what the client knows about upstream for one credential.
type tenant struct {
	id              upstream.Tenant
	attempts        *attempt.Tenant
	verifier        *verify.Verifier
	statusesChecked atomic.Bool // or the check is running
}

// tenants are remembered while they make requests.
type tenants struct {
	known    *lru.Cache[upstream.Tenant, *tenant] // whose key upstream has accepted
	unproven *lru.Cache[upstream.Tenant, *tenant] // the others, where there may be any number of keys
	opts     *Options
	pool     *attempt.Pool
}

func newTenants(opts *Options) *tenants {
	known, _ := lru.New[upstream.Tenant, *tenant](maxTenants) // its one error is a size below 1
	unproven, _ := lru.New[upstream.Tenant, *tenant](maxUnproven)
	return &tenants{known: known, unproven: unproven, opts: opts, pool: attempt.NewPool(attempt.Options{
		Timeout: opts.AttemptTimeout, RetryDelay: opts.RetryDelay, MaxConcurrent: opts.MaxConcurrent,
		MaxTenantConcurrent: opts.MaxTenantConcurrent, MaxWaiting: opts.MaxWaiting, AnyKey: opts.AnyKey,
		Observer: opts.Observer,
	})}
}

func (ts *tenants) of(c upstream.Credential) *tenant {
	id := c.Tenant()
	if known, ok := ts.known.Get(id); ok {
		return known
	}
	if !ts.opts.AnyKey {
		return ts.add(ts.known, id)
	}
	if unproven, ok := ts.unproven.Get(id); ok {
		return unproven
	}
	return ts.add(ts.unproven, id)
}

// add makes a tenant, unless another request just has.
func (ts *tenants) add(to *lru.Cache[upstream.Tenant, *tenant], id upstream.Tenant) *tenant {
	made := &tenant{id: id, attempts: ts.pool.Tenant(id), verifier: verify.New(ts.opts.FirstPage, time.Now)}
	made.verifier.FirstPage = func(number int) { ts.opts.Observer.FirstPage(id, number) }
	made.verifier.PageSize = func(rows int) { ts.opts.Observer.PageSize(id, rows) }
	if other, ok, _ := to.PeekOrAdd(id, made); ok {
		return other
	}
	return made
}

// prove notes that upstream accepts the tenant's key.
func (ts *tenants) prove(t *tenant) {
	if t.attempts.Prove() {
		ts.known.Add(t.id, t)
		ts.unproven.Remove(t.id)
	}
}

// find returns a remembered tenant; nil if there is none.
func (ts *tenants) find(id upstream.Tenant) *tenant {
	if known, ok := ts.known.Peek(id); ok {
		return known
	}
	unproven, _ := ts.unproven.Peek(id)
	return unproven
}
