// Package fake is the Revox `GET /call` endpoint, faked over real HTTP, for demos, tests and benchmarks. It writes its
// own JSON and shares nothing with the client that it serves: a type used on both sides would hide a wrong tag.
//
// # What is kept
//
// A call takes 16 bytes in the list: its serial number, when it arrived and how long it lives. Everything else follows
// from these, the seed and the clock, and is rendered for each page. So a long list takes little memory, and a call in
// progress has a longer transcript in the next response without any change to the list.
//
// The conversations come from package conversation. Every name, number and company in them is invented; phone numbers
// are from ranges reserved for fiction.
//
// # From the list to a response
//
// The switches in Behaviour are applied in this order: Order and ListTwice sort the list; Lag takes the newest calls
// out; the filter by status comes next; SwapTies swaps neighbours; the page is cut out, or PastEnd gives the response;
// Drop, Short and MaxPageBytes shorten the page. IDs returns the list after Order, ListTwice and the filter: the ids
// of all pages, if no other switch is set.
//
// Without Order, ListTwice and Lag a response needs no copy of the list. Without a filter it looks only at the calls of
// its page.
//
// # Locking
//
// The list is an immutable value behind an atomic pointer. A request loads it once, reads the clock once, and renders
// its page without any lock: one response is one consistent snapshot, and slow readers delay no other request. Writers
// (Insert, Remove, RemoveAt, Move, SetRows) take turns on a mutex. Insert appends in place to the array that older
// snapshots share, which is safe because a snapshot never looks beyond its own length; the others build a new array. A
// sorted list is kept with the snapshot, the switches and the time from which it was made, and is used only for these.
//
// The switches are an immutable value behind an atomic pointer too. The record of requests has a mutex of its own,
// held for one append or one copy. No callback is ever called with a lock held that a request needs.
package fake
