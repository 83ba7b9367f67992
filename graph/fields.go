package graph

import (
	"maps"
	"strconv"

	"revox-graphql/upstream"
)

// The tables of what each field of each type writes.

var connectionObject = object[*CallConnection]{
	name: "CallConnection",
	fields: map[string]field[*CallConnection]{
		"edges": func(c *compiler, s selection) (string, value[*CallConnection]) {
			c.need.rows = true
			s.path = s.below(rowIndex)
			p := compile(c, s, edgeObject)
			return "", func(b []byte, r *run, v *CallConnection) []byte {
				return appendRows(b, r, v.window, func(b []byte, row int) []byte { return p.write(b, r, edge{v, row}) })
			}
		},
		"nodes": func(c *compiler, s selection) (string, value[*CallConnection]) {
			c.need.rows = true
			s.path = s.below(rowIndex)
			p := compile(c, s, callObject)
			return "", func(b []byte, r *run, v *CallConnection) []byte {
				return appendRows(b, r, v.window, func(b []byte, row int) []byte { return p.write(b, r, v.window.rows[row].Call) })
			}
		},
		"pageInfo": func(c *compiler, s selection) (string, value[*CallConnection]) {
			return "", compile(c, s, pageInfoObject).write
		},
		"totalCount": func(c *compiler, s selection) (string, value[*CallConnection]) {
			c.need.total = true
			return "", func(b []byte, r *run, v *CallConnection) []byte {
				if v.totalErr != nil {
					return r.fail(b, s.path, v.totalErr)
				}
				return appendInt(b, v.total)
			}
		},
	},
}

var edgeObject = object[edge]{
	name: "CallEdge",
	fields: map[string]field[edge]{
		"cursor": always(func(b []byte, _ *run, e edge) []byte { return e.connection.appendCursor(b, e.row) }),
		"node": func(c *compiler, s selection) (string, value[edge]) {
			p := compile(c, s, callObject)
			return "", func(b []byte, r *run, e edge) []byte { return p.write(b, r, e.connection.window.rows[e.row].Call) }
		},
	},
}

var pageInfoObject = object[*CallConnection]{
	name: "PageInfo",
	fields: map[string]field[*CallConnection]{
		"hasNextPage": needing(
			func(n *need) { n.next = true },
			func(b []byte, _ *run, v *CallConnection) []byte { return strconv.AppendBool(b, v.window.hasNext()) },
		),
		"hasPreviousPage": needing(
			func(n *need) { n.previous = true },
			func(b []byte, _ *run, v *CallConnection) []byte { return strconv.AppendBool(b, v.window.hasPrevious()) },
		),
		"startCursor": needing(
			func(n *need) { n.rows = true },
			func(b []byte, _ *run, v *CallConnection) []byte { return v.appendCursor(b, v.window.firstEdge()) },
		),
		"endCursor": needing(
			func(n *need) { n.rows = true },
			func(b []byte, _ *run, v *CallConnection) []byte { return v.appendCursor(b, v.window.lastEdge()) },
		),
	},
}

var callObject = object[*upstream.Call]{
	name:       "Call",
	interfaces: []string{"Node"},
	fields: map[string]field[*upstream.Call]{
		"id":              text(upstream.FieldID),
		"status":          always(func(b []byte, _ *run, c *upstream.Call) []byte { return append(b, callStatuses[c.Status]...) }),
		"phoneNumber":     text(upstream.FieldPhoneNumber),
		"startedAt":       text(upstream.FieldStartedAt),
		"answeredAt":      text(upstream.FieldAnsweredAt),
		"endedAt":         text(upstream.FieldEndedAt),
		"durationSeconds": seconds(upstream.FieldAnsweredAt, upstream.FieldEndedAt),
		"ringingSeconds":  seconds(upstream.FieldStartedAt, upstream.FieldAnsweredAt),
		"result":          always(func(b []byte, _ *run, c *upstream.Call) []byte { return append(b, callResults[c.Result]...) }),
		"dialError":       always(func(b []byte, _ *run, c *upstream.Call) []byte { return append(b, dialErrors[c.DialError]...) }),
		"endReason":       text(upstream.FieldEndReason),
		"endedBy":         always(func(b []byte, _ *run, c *upstream.Call) []byte { return append(b, callEndedBys[c.EndedBy]...) }),
		"recordingUrl":    text(upstream.FieldRecordingURL),
		"structuredOutput": func(c *compiler, s selection) (string, value[*upstream.Call]) {
			if len(s.Arguments) == 0 {
				return text(upstream.FieldStructuredOutput)(c, s)
			}
			number := c.arguments(s)
			return "", func(b []byte, r *run, c *upstream.Call) []byte {
				args, value := &r.args[number], c.JSON(upstream.FieldStructuredOutput)
				switch {
				case args.err != nil:
					return r.fail(b, s.path, args.err)
				case args.keys != nil:
					value = upstream.KeepMembers(value, args.keys)
				}
				return append(b, value...)
			}
		},
		"transcript": func(c *compiler, s selection) (string, value[*upstream.Call]) {
			p := compileTranscript(c, s)
			if len(s.Arguments) == 0 {
				return "", func(b []byte, r *run, c *upstream.Call) []byte { return appendTranscript(b, r, c, p, nil) }
			}
			number := c.arguments(s)
			return "", func(b []byte, r *run, c *upstream.Call) []byte {
				args := &r.args[number]
				if args.err != nil {
					return r.fail(b, s.path, args.err)
				}
				return appendTranscript(b, r, c, p, args.filter)
			}
		},
		"transcriptEntryCount": always(func(b []byte, _ *run, c *upstream.Call) []byte {
			if n, ok := c.TranscriptLen(); ok {
				return appendInt(b, n)
			}
			return append(b, null...)
		}),
		"extra": text(upstream.FieldExtra),
	},
}

// entryObjects are what the entries of each role write, without and with a tool. Most entries have no tool, and those who
// speak are few: knowing both beforehand leaves little to write but what was said.
var entryObjects = func() (objects [][2]object[upstream.Entry]) {
	for _, role := range transcriptRoles {
		with := object[upstream.Entry]{
			name: "TranscriptEntry",
			fields: map[string]field[upstream.Entry]{
				"index":         always(func(b []byte, _ *run, e upstream.Entry) []byte { return appendInt(b, e.Index) }),
				"role":          constant[upstream.Entry](role),
				"content":       always(func(b []byte, _ *run, e upstream.Entry) []byte { return append(b, e.Content()...) }),
				"toolName":      always(func(b []byte, _ *run, e upstream.Entry) []byte { return append(b, e.ToolName()...) }),
				"toolArguments": always(func(b []byte, _ *run, e upstream.Entry) []byte { return append(b, e.ToolArguments()...) }),
				"toolIsError":   always(func(b []byte, _ *run, e upstream.Entry) []byte { return append(b, e.ToolIsError()...) }),
			},
		}
		without := with
		without.fields = maps.Clone(with.fields)
		for _, name := range []string{"toolName", "toolArguments", "toolIsError"} {
			without.fields[name] = constant[upstream.Entry](null)
		}
		objects = append(objects, [2]object[upstream.Entry]{without, with})
	}
	return objects
}()

// transcriptPlan has a plan for each kind of entry, like entryObjects.
type transcriptPlan [][2]*plan[upstream.Entry]

func compileTranscript(c *compiler, s selection) transcriptPlan {
	plans := make(transcriptPlan, len(entryObjects))
	for role, o := range entryObjects {
		plans[role] = [2]*plan[upstream.Entry]{compile(c, s, o[0]), compile(c, s, o[1])}
	}
	return plans
}

// write appends an entry.
func (p transcriptPlan) write(b []byte, r *run, e upstream.Entry) []byte {
	if e.UsesTool() {
		return p[e.Role()][1].write(b, r, e)
	}
	return p[e.Role()][0].write(b, r, e)
}

// always is a field that is written the same way however it was selected.
func always[T any](v value[T]) field[T] {
	return func(*compiler, selection) (string, value[T]) { return "", v }
}

// constant is a field that is the same for every object.
func constant[T any](text string) field[T] {
	return func(*compiler, selection) (string, value[T]) { return text, nil }
}

// needing is always for a field that needs something of the connection.
func needing(mark func(*need), v value[*CallConnection]) field[*CallConnection] {
	return func(c *compiler, _ selection) (string, value[*CallConnection]) {
		mark(&c.need)
		return "", v
	}
}

// text is a field that lies ready as JSON.
func text(field upstream.Field) field[*upstream.Call] {
	return always(func(b []byte, _ *run, c *upstream.Call) []byte { return append(b, c.JSON(field)...) })
}

// seconds is the time from one moment of a call to another.
func seconds(from, to upstream.Field) field[*upstream.Call] {
	return always(func(b []byte, _ *run, c *upstream.Call) []byte {
		if ms, ok := c.Milliseconds(from, to); ok {
			return strconv.AppendFloat(b, float64(ms)/1000, 'g', -1, 64)
		}
		return append(b, null...)
	})
}

// The names of enum values as JSON, by the value; "null" for none.
var (
	callStatuses    = enumNames(marshalNCallStatus2revoxᚑgraphqlᚋupstreamᚐCallStatus)
	callResults     = enumNames(marshalOCallResult2ᚖrevoxᚑgraphqlᚋupstreamᚐCallResult)
	dialErrors      = enumNames(marshalODialError2ᚖrevoxᚑgraphqlᚋupstreamᚐDialError)
	callEndedBys    = enumNames(marshalOCallEndedBy2ᚖrevoxᚑgraphqlᚋupstreamᚐCallEndedBy)
	transcriptRoles = enumNames(marshalNTranscriptRole2revoxᚑgraphqlᚋupstreamᚐTranscriptRole)
)

func enumNames[E ~uint8](generated map[E]string) []string {
	names := make([]string, len(generated)+1)
	names[0] = null
	for value, name := range generated {
		names[value] = strconv.Quote(name)
	}
	return names
}

// appendInt has a short way for the small numbers that count entries.
func appendInt(b []byte, n int) []byte {
	switch {
	case uint(n) < 10:
		return append(b, byte('0'+n))
	case uint(n) < 100:
		return append(b, byte('0'+n/10), byte('0'+n%10))
	default:
		return strconv.AppendInt(b, int64(n), 10)
	}
}

// appendCursor appends the cursor of a row of the window, null for row -1.
func (c *CallConnection) appendCursor(b []byte, row int) []byte {
	if row < 0 {
		return append(b, null...)
	}
	b = append(b, '"')
	b = c.window.cursor(c.list, row).Append(b)
	return append(b, '"')
}

// appendRows appends a list with an element for each readable row of the window.
func appendRows(b []byte, r *run, w *window, element func(b []byte, row int) []byte) []byte {
	b = append(b, '[')
	r.row = 0
	for i := w.from; i < w.to; i++ {
		if w.rows[i].Call == nil {
			continue
		}
		if r.row > 0 {
			b = append(b, ',')
		}
		b = element(b, i)
		r.row++
	}
	return append(b, ']')
}

// appendTranscript appends the entries of a call that pass the filter; nil lets all pass.
func appendTranscript(b []byte, r *run, c *upstream.Call, p transcriptPlan, f *transcriptFilter) []byte {
	n, ok := c.TranscriptLen()
	if !ok {
		return append(b, null...)
	}
	b = append(b, '[')
	if f == nil {
		for i := range n {
			if i > 0 {
				b = append(b, ',')
			}
			b = p.write(b, r, c.Entry(i))
		}
	} else {
		for i, entry := range f.keep(c, n) {
			if i > 0 {
				b = append(b, ',')
			}
			b = p.write(b, r, entry)
		}
	}
	return append(b, ']')
}
