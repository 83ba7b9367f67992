package filter

import "revox-graphql/upstream"

// held are the pages that a scan uses: those of the part that it looks at, and those that have matches which are kept
// for the response. A filter that few rows pass would else keep a page in memory for each of them, uncounted.
type held struct {
	holder upstream.Holder         // nil: pages are not counted
	pages  map[*upstream.Page]bool // whether the page has a match that is kept
}

// move counts the pages of the next part's rows, and releases those of the last part that have no match. It reports
// whether there is memory for the pages.
func (h *held) move(rows []upstream.Row) bool {
	if h.holder == nil {
		return true
	}
	used := map[*upstream.Page]bool{}
	var before *upstream.Page
	for _, row := range rows {
		if row.Call == nil || row.Call.Page() == before {
			continue
		}
		page := row.Call.Page()
		before, used[page] = page, true
		if _, has := h.pages[page]; has {
			continue
		}
		if !h.holder.Hold(page) {
			return false
		}
		h.pages[page] = false
	}
	for page, kept := range h.pages {
		if !kept && !used[page] {
			h.release(page)
		}
	}
	return true
}

// keep says that a match is kept for the response.
func (h *held) keep(call *upstream.Call) {
	if h.holder != nil {
		h.pages[call.Page()] = true
	}
}

// end releases the pages that have no match which is kept.
func (h *held) end() {
	for page, kept := range h.pages {
		if !kept {
			h.release(page)
		}
	}
}

// releaseAll releases all pages.
func (h *held) releaseAll() {
	for page := range h.pages {
		h.release(page)
	}
}

func (h *held) release(page *upstream.Page) {
	h.holder.Release(page)
	delete(h.pages, page)
}
