package graph

import (
	"strconv"

	"revox-graphql/upstream"
)

// The tables of what each field of each type writes.

var connectionObject = object[*CallConnection]{
	name: "CallConnection",
	fields: map[string]field[*CallConnection]{
		"edges": func(c *compiler, s selection) func(*writer, *CallConnection) {
			c.need.rows = true
			s.path = s.below(rowIndex)
			p := compile(c, s, edgeObject)
			return func(w *writer, v *CallConnection) {
				w.edges(v, func(row int) { p.run(w, edge{v, row}) })
			}
		},
		"nodes": func(c *compiler, s selection) func(*writer, *CallConnection) {
			c.need.rows = true
			s.path = s.below(rowIndex)
			p := compile(c, s, callObject)
			return func(w *writer, v *CallConnection) {
				w.edges(v, func(row int) { p.run(w, v.window.rows[row].Call) })
			}
		},
		"pageInfo": func(c *compiler, s selection) func(*writer, *CallConnection) {
			return compile(c, s, pageInfoObject).run
		},
		"totalCount": func(c *compiler, s selection) func(*writer, *CallConnection) {
			c.need.total = true
			return func(w *writer, v *CallConnection) {
				if v.totalErr != nil {
					w.fail(s.path, v.totalErr)
				} else {
					w.int(v.total)
				}
			}
		},
	},
}

var edgeObject = object[edge]{
	name: "CallEdge",
	fields: map[string]field[edge]{
		"cursor": always(func(w *writer, e edge) { w.cursor(e.connection, e.row) }),
		"node": func(c *compiler, s selection) func(*writer, edge) {
			p := compile(c, s, callObject)
			return func(w *writer, e edge) { p.run(w, e.connection.window.rows[e.row].Call) }
		},
	},
}

var pageInfoObject = object[*CallConnection]{
	name: "PageInfo",
	fields: map[string]field[*CallConnection]{
		"hasNextPage": func(c *compiler, _ selection) func(*writer, *CallConnection) {
			c.need.next = true
			return func(w *writer, v *CallConnection) { w.bool(v.window.hasNext()) }
		},
		"hasPreviousPage": func(c *compiler, _ selection) func(*writer, *CallConnection) {
			c.need.previous = true
			return func(w *writer, v *CallConnection) { w.bool(v.window.hasPrevious()) }
		},
		"startCursor": func(c *compiler, _ selection) func(*writer, *CallConnection) {
			c.need.rows = true
			return func(w *writer, v *CallConnection) { w.cursor(v, v.window.firstEdge()) }
		},
		"endCursor": func(c *compiler, _ selection) func(*writer, *CallConnection) {
			c.need.rows = true
			return func(w *writer, v *CallConnection) { w.cursor(v, v.window.lastEdge()) }
		},
	},
}

var callObject = object[*upstream.Call]{
	name:       "Call",
	interfaces: []string{"Node"},
	fields: map[string]field[*upstream.Call]{
		"id":              text(upstream.FieldID),
		"status":          always(func(w *writer, c *upstream.Call) { w.string(callStatuses[c.Status]) }),
		"phoneNumber":     text(upstream.FieldPhoneNumber),
		"startedAt":       text(upstream.FieldStartedAt),
		"answeredAt":      text(upstream.FieldAnsweredAt),
		"endedAt":         text(upstream.FieldEndedAt),
		"durationSeconds": seconds(upstream.FieldAnsweredAt, upstream.FieldEndedAt),
		"ringingSeconds":  seconds(upstream.FieldStartedAt, upstream.FieldAnsweredAt),
		"result":          always(func(w *writer, c *upstream.Call) { w.string(callResults[c.Result]) }),
		"dialError":       always(func(w *writer, c *upstream.Call) { w.string(dialErrors[c.DialError]) }),
		"endReason":       text(upstream.FieldEndReason),
		"endedBy":         always(func(w *writer, c *upstream.Call) { w.string(callEndedBys[c.EndedBy]) }),
		"recordingUrl":    text(upstream.FieldRecordingURL),
		"structuredOutput": func(c *compiler, s selection) func(*writer, *upstream.Call) {
			if len(s.Arguments) == 0 {
				return text(upstream.FieldStructuredOutput)(c, s)
			}
			number := c.arguments(s)
			return func(w *writer, c *upstream.Call) {
				value := c.JSON(upstream.FieldStructuredOutput)
				if args := &w.args[number]; args.err != nil {
					w.fail(s.path, args.err)
				} else if args.keys == nil {
					w.string(value)
				} else {
					w.string(upstream.KeepMembers(value, args.keys))
				}
			}
		},
		"transcript": func(c *compiler, s selection) func(*writer, *upstream.Call) {
			p := compile(c, s, entryObject)
			if len(s.Arguments) == 0 {
				return func(w *writer, c *upstream.Call) { w.transcript(c, nil, p) }
			}
			number := c.arguments(s)
			return func(w *writer, c *upstream.Call) {
				if args := &w.args[number]; args.err != nil {
					w.fail(s.path, args.err)
				} else {
					w.transcript(c, args.filter, p)
				}
			}
		},
		"transcriptEntryCount": always(func(w *writer, c *upstream.Call) {
			if n, ok := c.TranscriptLen(); ok {
				w.int(n)
			} else {
				w.string("null")
			}
		}),
		"extra": text(upstream.FieldExtra),
	},
}

var entryObject = object[upstream.Entry]{
	name: "TranscriptEntry",
	fields: map[string]field[upstream.Entry]{
		"index":         always(func(w *writer, e upstream.Entry) { w.int(e.Index) }),
		"role":          always(func(w *writer, e upstream.Entry) { w.string(transcriptRoles[e.Role()]) }),
		"content":       always(func(w *writer, e upstream.Entry) { w.string(e.Content()) }),
		"toolName":      always(func(w *writer, e upstream.Entry) { w.string(e.ToolName()) }),
		"toolArguments": always(func(w *writer, e upstream.Entry) { w.string(e.ToolArguments()) }),
		"toolIsError":   always(func(w *writer, e upstream.Entry) { w.string(e.ToolIsError()) }),
	},
}

// always is a field that is written the same way however it was selected.
func always[T any](write func(*writer, T)) field[T] {
	return func(*compiler, selection) func(*writer, T) { return write }
}

// text is a field that lies ready as JSON.
func text(field upstream.Field) field[*upstream.Call] {
	return always(func(w *writer, c *upstream.Call) { w.string(c.JSON(field)) })
}

// seconds is the time from one moment of a call to another.
func seconds(from, to upstream.Field) field[*upstream.Call] {
	return always(func(w *writer, c *upstream.Call) {
		if ms, ok := c.Milliseconds(from, to); ok {
			w.b = strconv.AppendFloat(w.b, float64(ms)/1000, 'g', -1, 64)
		} else {
			w.string("null")
		}
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
	names[0] = "null"
	for value, name := range generated {
		names[value] = strconv.Quote(name)
	}
	return names
}

func (w *writer) int(n int) { w.b = strconv.AppendInt(w.b, int64(n), 10) }

func (w *writer) bool(v bool) { w.b = strconv.AppendBool(w.b, v) }

// cursor appends the cursor of a row of the connection's window, null for row -1.
func (w *writer) cursor(c *CallConnection, row int) {
	if row < 0 {
		w.string("null")
		return
	}
	w.b = append(w.b, '"')
	w.b = c.window.cursor(c.list, row).Append(w.b)
	w.b = append(w.b, '"')
}

// edges appends a list with an element for each edge.
func (w *writer) edges(c *CallConnection, element func(row int)) {
	w.b = append(w.b, '[')
	w.row = 0
	for i := c.window.from; i < c.window.to; i++ {
		if c.window.rows[i].Call == nil {
			continue
		}
		if w.row > 0 {
			w.b = append(w.b, ',')
		}
		element(i)
		w.row++
	}
	w.b = append(w.b, ']')
}

// transcript appends the entries of a call that pass the filter.
func (w *writer) transcript(c *upstream.Call, f *transcriptFilter, p plan[upstream.Entry]) {
	n, ok := c.TranscriptLen()
	if !ok {
		w.string("null")
		return
	}
	w.b = append(w.b, '[')
	if f == nil {
		for i := range n {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			p.run(w, c.Entry(i))
		}
	} else {
		for i, entry := range f.keep(c, n) {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			p.run(w, entry)
		}
	}
	w.b = append(w.b, ']')
}
