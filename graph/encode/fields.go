package encode

import (
	"strconv"
	"strings"

	"revox-graphql/graph/filter"
	"revox-graphql/graph/pagination"
	"revox-graphql/graph/relay"
	"revox-graphql/upstream"
)

// The tables of what each field of a type writes; transcript.go has the one of TranscriptEntry. Most fields of Call
// come from the table in upstream/call.go.

var connectionObject = object[value[*Connection]]{
	name: "CallConnection",
	fields: map[string]field[value[*Connection]]{
		"edges": func(c *compiler, s selection) (string, value[*Connection]) {
			c.need.Rows = true
			s.path = s.below(rowIndex)
			p := compileObject(c, s, edgeObject)
			return "", func(b []byte, r *run, v *Connection) []byte {
				return appendRows(b, r, v.page, func(b []byte, row int, call *upstream.Call) []byte {
					return p.write(b, r, edge{v, row, call})
				})
			}
		},
		"nodes": func(c *compiler, s selection) (string, value[*Connection]) {
			c.need.Rows = true
			s.path = s.below(rowIndex)
			p := compileObject(c, s, callObject)
			return "", func(b []byte, r *run, v *Connection) []byte {
				return appendRows(b, r, v.page, func(b []byte, _ int, call *upstream.Call) []byte {
					return p.write(b, r, call)
				})
			}
		},
		"pageInfo": func(c *compiler, s selection) (string, value[*Connection]) {
			return "", compileObject(c, s, pageInfoObject).write
		},
		"totalCount": func(c *compiler, s selection) (string, value[*Connection]) {
			c.need.Total = true
			return "", func(b []byte, r *run, v *Connection) []byte {
				if v.TotalErr != nil {
					return r.fail(b, s, v.TotalErr)
				}
				return appendInt(b, v.Total)
			}
		},
		"scan": func(c *compiler, s selection) (string, value[*Connection]) {
			c.need.Scan = true
			p := compileObject(c, s, scanObject)
			return "", func(b []byte, r *run, v *Connection) []byte {
				if v.Scan == nil {
					return append(b, null...)
				}
				return p.write(b, r, v.Scan)
			}
		},
	},
}

var scanObject = object[value[*filter.Report]]{
	name: "CallScan",
	fields: map[string]field[value[*filter.Report]]{
		"examined": ofScan(func(b []byte, s *filter.Report) []byte { return appendInt(b, s.Examined) }),
		"stoppedBy": ofScan(func(b []byte, s *filter.Report) []byte {
			return append(b, scanStops[s.StoppedBy]...)
		}),
		"complete": ofScan(func(b []byte, s *filter.Report) []byte { return strconv.AppendBool(b, s.Complete()) }),
		"reachedAt": ofScan(func(b []byte, s *filter.Report) []byte {
			at := s.ReachedAt()
			if at == nil {
				return append(b, null...)
			}
			return append(append(append(b, '"'), *at...), '"')
		}),
	},
}

// ofScan is [always] for a field of a scan.
func ofScan(v func(b []byte, s *filter.Report) []byte) field[value[*filter.Report]] {
	return always[value[*filter.Report]](func(b []byte, _ *run, s *filter.Report) []byte { return v(b, s) })
}

// scanStops are the names of the reasons why a scan ends, as JSON.
var scanStops = map[filter.Stop]string{
	filter.StopPageFull: `"PAGE_FULL"`, filter.StopEndOfList: `"END_OF_LIST"`, filter.StopTimeRange: `"TIME_RANGE"`,
	filter.StopScanLimit: `"SCAN_LIMIT"`, filter.StopDeadline: `"DEADLINE"`,
}

var edgeObject = object[value[edge]]{
	name: "CallEdge",
	fields: map[string]field[value[edge]]{
		"cursor": always[value[edge]](func(b []byte, _ *run, e edge) []byte {
			return append(e.connection.page.AppendCursor(append(b, '"'), e.row), '"')
		}),
		"node": func(c *compiler, s selection) (string, value[edge]) {
			p := compileObject(c, s, callObject)
			return "", func(b []byte, r *run, e edge) []byte { return p.write(b, r, e.call) }
		},
	},
}

var pageInfoObject = object[value[*Connection]]{
	name: "PageInfo",
	fields: map[string]field[value[*Connection]]{
		"hasNextPage": needing(
			func(n *pagination.Selection) { n.Next = true },
			func(b []byte, _ *run, v *Connection) []byte { return strconv.AppendBool(b, v.page.HasNext()) },
		),
		"hasPreviousPage": needing(
			func(n *pagination.Selection) { n.Previous = true },
			func(b []byte, _ *run, v *Connection) []byte { return strconv.AppendBool(b, v.page.HasPrevious()) },
		),
		"startCursor": needing(
			func(n *pagination.Selection) { n.Rows = true },
			func(b []byte, _ *run, v *Connection) []byte { return appendCursor(b, v.page.StartCursor()) },
		),
		"endCursor": needing(
			func(n *pagination.Selection) { n.Rows = true },
			func(b []byte, _ *run, v *Connection) []byte { return appendCursor(b, v.page.EndCursor()) },
		),
	},
}

var callObject = object[value[*upstream.Call]]{
	name:       "Call",
	interfaces: []string{"Node"},
	fields: withTexts(map[string]field[value[*upstream.Call]]{
		"status": ofCall(func(b []byte, _ *run, c *upstream.Call) []byte {
			return append(b, callStatuses[c.Status]...)
		}),
		"durationSeconds": seconds(upstream.FieldAnsweredAt, upstream.FieldEndedAt),
		"ringingSeconds":  seconds(upstream.FieldStartedAt, upstream.FieldAnsweredAt),
		"result": ofCall(func(b []byte, _ *run, c *upstream.Call) []byte {
			return append(b, callResults[c.Result]...)
		}),
		"dialError": ofCall(func(b []byte, _ *run, c *upstream.Call) []byte {
			return append(b, dialErrors[c.DialError]...)
		}),
		"endedBy": ofCall(func(b []byte, _ *run, c *upstream.Call) []byte {
			return append(b, callEndedBys[c.EndedBy]...)
		}),
		"structuredOutput": func(c *compiler, s selection) (string, value[*upstream.Call]) {
			if len(s.Arguments) == 0 {
				return text(upstream.FieldStructuredOutput)(c, s)
			}
			number := c.arguments(s)
			return "", func(b []byte, r *run, c *upstream.Call) []byte {
				args, value := &r.args[number], c.JSON(upstream.FieldStructuredOutput)
				switch {
				case args.err != nil:
					return r.fail(b, s, args.err)
				case args.keys != nil:
					value = upstream.KeepMembers(value, args.keys)
				}
				return append(b, value...)
			}
		},
		"transcript": func(c *compiler, s selection) (string, value[*upstream.Call]) {
			p := compileTranscript(c, s)
			if len(s.Arguments) == 0 {
				return "", func(b []byte, r *run, c *upstream.Call) []byte { return p.write(b, r, c, nil) }
			}
			number := c.arguments(s)
			return "", func(b []byte, r *run, c *upstream.Call) []byte {
				args := &r.args[number]
				if args.err != nil {
					return r.fail(b, s, args.err)
				}
				return p.write(b, r, c, args.filter)
			}
		},
		"transcriptEntryCount": ofCall(func(b []byte, _ *run, c *upstream.Call) []byte {
			if n, ok := c.TranscriptLen(); ok {
				return appendInt(b, n)
			}
			return append(b, null...)
		}),
		"extra": text(upstream.FieldExtra),
	}),
}

// withTexts adds the fields of a call that are already JSON, and derives their names from upstream's: phone_number is
// phoneNumber. It replaces no field.
func withTexts(fields map[string]field[value[*upstream.Call]]) map[string]field[value[*upstream.Call]] {
	for i, name := range upstream.FieldNames() {
		words := strings.Split(name, "_")
		for w, word := range words[1:] {
			words[1+w] = strings.ToUpper(word[:1]) + word[1:]
		}
		if name = strings.Join(words, ""); fields[name] == nil {
			fields[name] = text(upstream.Field(i))
		}
	}
	return fields
}

// always is a field that is written the same way however it was selected.
func always[V any](v V) field[V] {
	return func(*compiler, selection) (string, V) { return "", v }
}

// ofCall is [always] for a field of a call.
func ofCall(v value[*upstream.Call]) field[value[*upstream.Call]] { return always(v) }

// needing is [always] for a field that needs a part of the connection.
func needing(mark func(*pagination.Selection), v value[*Connection]) field[value[*Connection]] {
	return func(c *compiler, _ selection) (string, value[*Connection]) {
		mark(&c.need)
		return "", v
	}
}

// text is a field that is already JSON.
func text(field upstream.Field) field[value[*upstream.Call]] {
	return ofCall(func(b []byte, _ *run, c *upstream.Call) []byte { return append(b, c.JSON(field)...) })
}

// seconds is the time from one moment of a call to another, in seconds; null if that is unknown.
func seconds(from, to upstream.Field) field[value[*upstream.Call]] {
	return ofCall(func(b []byte, _ *run, c *upstream.Call) []byte {
		if ms, ok := c.Milliseconds(from, to); ok {
			return appendSeconds(b, ms)
		}
		return append(b, null...)
	})
}

// The names of enum values as JSON, by the value; "null" for no value.
var (
	callStatuses    = enumNames(upstream.CallStatuses())
	callResults     = enumNames(upstream.CallResults())
	dialErrors      = enumNames(upstream.DialErrors())
	callEndedBys    = enumNames(upstream.CallEndedBys())
	transcriptRoles = enumNames(upstream.TranscriptRoles())
)

// enumNames makes GraphQL's names of upstream's spellings: in capitals, with _ for -.
func enumNames(spellings []string) []string {
	names := []string{null, `"UNRECOGNIZED"`}
	for _, spelling := range spellings[len(names):] {
		names = append(names, strconv.Quote(strings.ToUpper(strings.ReplaceAll(spelling, "-", "_"))))
	}
	return names
}

// appendInt appends an integer. Numbers below 100, such as most indices of entries, have a fast path.
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

// appendFloat appends a Float without an exponent.
func appendFloat(b []byte, f float64) []byte { return strconv.AppendFloat(b, f, 'f', -1, 64) }

// appendSeconds appends milliseconds as seconds, as a Float. Durations of up to eleven days have a fast path.
func appendSeconds(b []byte, ms int64) []byte {
	if ms < 0 || ms >= 1e9 {
		return appendFloat(b, float64(ms)/1000)
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if ms %= 1000; ms == 0 {
		return b
	}
	b = append(b, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// appendCursor appends a cursor, null for nil.
func appendCursor(b []byte, cursor *relay.Cursor) []byte {
	if cursor == nil {
		return append(b, null...)
	}
	b = append(b, '"')
	b = cursor.Append(b)
	return append(b, '"')
}

// appendRows appends a list with an element for each readable row of the page.
func appendRows(
	b []byte, r *run, p Page, element func(b []byte, row int, call *upstream.Call) []byte,
) []byte {
	b = append(b, '[')
	r.row = 0
	for i, row := range p.Rows() {
		if row.Call == nil {
			continue
		}
		if b = r.fit(b); r.full || r.gone() {
			break
		}
		if r.row > 0 {
			b = append(b, ',')
		}
		b = element(b, i, row.Call)
		r.row++
	}
	return append(b, ']')
}
