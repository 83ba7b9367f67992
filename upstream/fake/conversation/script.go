package conversation

import (
	"embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// A script is a text file in scripts/: the material for one sort of conversation. A call takes one path through it.
//
//	kind human                          what answers the call; "common" for stages that all scripts of a language may use
//	lang en
//	weight 10                           against the other scripts of this kind and language
//	hours 8-17                          when appointments can be
//	slot party/word: 2/two | 3/three    a choice made once a call, here of two slots that belong together
//
//	@booked 6 tool_end_call agent       an outcome: its name, its weight, end_reason and ended_by ("-": nothing known)
//	> open offer question*2-3 bye       the stages it passes; 2 to 3 different variants of "question"
//	= {"outcome":"booked","at":"<iso1>"}    structured_output; none: nothing was extracted
//
//	# open                              a stage; blank lines separate its variants
//	A (Hello|Good morning), is this <full>?
//	U Speaking.
//	T find_slots {"day":"<date1>"} -> {"free":["<time1>"]}
//
// Lines begin with the speaker: A the agent, U the person who is called. T is a tool whose arguments are an object, S
// one whose arguments are text; X and Y are the same when the tool fails. <name> is a slot, one of the script or one of
// those in slots.go, and (a|b) is thrown again each time; (a) is just what it looks like. Lines with // are left out.

//go:embed scripts/*.txt
var scripts embed.FS

// Library has all scripts, parsed. It never changes once it is loaded.
type Library struct {
	scripts [Failed][languages][]*script
	stages  int // how many stages there are in all scripts
}

type script struct {
	name        string
	kind        Kind
	lang        language
	weight      int
	opens, ends int // the hours of the day between which appointments can be
	choices     []choice
	outcomes    []Outcome
	stages      map[string]*stage
	slots       []string // names, by number; the builtin ones first
}

// choice is a slot with a random value from a list, or several slots that get their values together.
type choice struct {
	first  int        // the number of the first slot
	values [][]string // one value for each slot, escaped for JSON
}

// Outcome is one way in which a conversation can end.
type Outcome struct {
	weight             int
	EndReason, EndedBy string
	plan               string // the steps as a text, until resolve
	steps              []step
	Output             template
}

type step struct {
	stage       *stage
	least, most int
}

type stage struct {
	number   int // among all stages of the library
	variants [][]line
}

// line is one entry of a transcript.
type line struct {
	role     string
	content  template
	tool     string // "" when none was used
	args     template
	argsText bool // args is text rather than an object
	failed   bool
}

// Load returns the library. Its scripts are part of the program, so a mistake in one is a bug and panics.
func Load() *Library { return library() }

// A program with many fakes, such as a test, parses the scripts once.
var library = sync.OnceValue(read)

func read() *Library {
	lib := &Library{}
	var common [languages]map[string]*stage
	var all []*script
	files, err := scripts.ReadDir("scripts") // in the order of their names
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		text, err := scripts.ReadFile("scripts/" + file.Name())
		if err != nil {
			panic(err)
		}
		s := lib.parse(file.Name(), string(text))
		if len(s.outcomes) == 0 {
			common[s.lang] = s.stages
			continue
		}
		all = append(all, s)
		lib.scripts[s.kind][s.lang] = append(lib.scripts[s.kind][s.lang], s)
	}
	for _, s := range all {
		for i := range s.outcomes {
			s.resolve(&s.outcomes[i], common[s.lang])
		}
	}
	return lib
}

func (lib *Library) parse(name, text string) *script {
	s := &script{name: name, weight: 1, opens: 9, ends: 17, stages: map[string]*stage{}, slots: builtins[:]}
	var into *stage
	fresh := true // the next line begins a variant
	for at, row := range strings.Split(text, "\n") {
		mark, rest, _ := strings.Cut(row, " ")
		fail := func(why string) { panic(fmt.Sprintf("scripts/%s:%d: %s: %s", name, at+1, why, row)) }
		switch {
		case row == "":
			fresh = true
		case strings.HasPrefix(row, "//"):
		case mark == "kind" || mark == "lang" || mark == "weight" || mark == "hours":
			if !s.setting(mark, rest) {
				fail("bad setting")
			}
		case mark == "slot":
			if !s.choice(rest) {
				fail("bad slot")
			}
		case row[0] == '@':
			f := strings.Fields(rest)
			o := Outcome{EndReason: strings.Trim(f[1], "-"), EndedBy: strings.Trim(f[2], "-")}
			o.weight = atoi(f[0])
			s.outcomes = append(s.outcomes, o)
		case mark == ">":
			s.outcomes[len(s.outcomes)-1].plan = rest
		case mark == "=":
			s.outcomes[len(s.outcomes)-1].Output = s.template(rest, fail)
		case mark == "#":
			into, fresh = &stage{number: lib.stages}, true
			lib.stages++
			s.stages[rest] = into
		case into != nil:
			if fresh {
				into.variants, fresh = append(into.variants, nil), false
			}
			last := len(into.variants) - 1
			into.variants[last] = append(into.variants[last], s.line(mark, rest, fail))
		default:
			fail("not understood")
		}
	}
	return s
}

func (s *script) setting(name, value string) bool {
	switch name {
	case "kind":
		for i, known := range kindNames {
			if known == value {
				s.kind = Kind(i)
				return true
			}
		}
		return value == "common"
	case "lang":
		for i := range languages {
			if locales[i].code == value {
				s.lang = i
				return true
			}
		}
		return false
	case "hours":
		opens, ends, ok := strings.Cut(value, "-")
		s.opens, s.ends = atoi(opens), atoi(ends)
		return ok && s.opens < s.ends
	default:
		s.weight = atoi(value)
		return s.weight > 0
	}
}

func (s *script) choice(text string) bool {
	names, list, ok := strings.Cut(text, ": ")
	first := len(s.slots)
	s.slots = append(s.slots[:first:first], strings.Split(names, "/")...)
	c := choice{first: first}
	for value := range strings.SplitSeq(list, " | ") {
		group := strings.Split(escape(value), "/")
		ok = ok && len(group) == len(s.slots)-first
		c.values = append(c.values, group)
	}
	s.choices = append(s.choices, c)
	return ok && len(s.slots) <= maxSlots
}

func (s *script) line(mark, text string, fail func(string)) line {
	switch mark {
	case "A":
		return line{role: "assistant", content: s.template(escape(text), fail)}
	case "U":
		return line{role: "user", content: s.template(escape(text), fail)}
	case "T", "S", "X", "Y":
		call, answer, ok := strings.Cut(text, " -> ")
		tool, args, some := strings.Cut(call, " ")
		if !ok || !some {
			fail("a tool needs arguments and an answer")
		}
		l := line{role: "tool", tool: tool, failed: mark == "X" || mark == "Y", argsText: mark == "S" || mark == "Y"}
		if l.argsText {
			args = escape(args)
		}
		l.args, l.content = s.template(args, fail), s.template(escape(answer), fail)
		return l
	default:
		fail("no speaker")
		return line{}
	}
}

// resolve finds the stages of an outcome: first among those of the script, then among those that all scripts of the
// language share.
func (s *script) resolve(o *Outcome, common map[string]*stage) {
	for name := range strings.FieldsSeq(o.plan) {
		name, times, repeated := strings.Cut(name, "*")
		st := step{stage: s.stages[name], least: 1, most: 1}
		if st.stage == nil {
			st.stage = common[name]
		}
		if repeated {
			least, most, span := strings.Cut(times, "-")
			st.least, st.most = atoi(least), atoi(least)
			if span {
				st.most = atoi(most)
			}
		}
		if st.stage == nil || st.most > len(st.stage.variants) || len(st.stage.variants) > 64 {
			panic(fmt.Sprintf("scripts/%s: too few or too many variants of %s", s.name, name))
		}
		o.steps = append(o.steps, st)
	}
}

func atoi(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic("scripts: " + err.Error())
	}
	return n
}
