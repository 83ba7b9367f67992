package upstream

// Weight is how many bytes a call of the page has on average when it is written whole, and its transcript; 0 and 0 on a
// page without calls. Names of fields are counted for transcripts, of which they are a part that matters.
func (p *Page) Weight() (call, transcript int) { return p.weight[0], p.weight[1] }

// entryNames is about what the names of an entry's fields take.
const entryNames = 64

// weigh works out the weight.
func (p *Page) weigh() {
	if len(p.Rows) == 0 {
		return
	}
	said := 0
	for i := range p.entries {
		said += int(p.entries[i].content.end - p.entries[i].content.start)
	}
	for i := range p.tools {
		for _, s := range []span{p.tools[i].name, p.tools[i].arguments} {
			said += int(s.end - s.start)
		}
	}
	n := len(p.Rows)
	p.weight = [2]int{max(1, (len(p.text)-said)/n), (said + entryNames*len(p.entries)) / n}
}
