package export

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/vektah/gqlparser/v2/ast"
)

// Format is the format of the lines.
type Format string

// NDJSON is one JSON object per line. CSV follows RFC 4180, except that lines end without a carriage return. Table is
// for people, and cuts long texts.
const (
	NDJSON Format = "ndjson"
	CSV    Format = "csv"
	Table  Format = "table"
)

// RowOptions decide the line of a call.
type RowOptions struct {
	Format Format
	// Columns are paths into the call: names that the document selects, followed by keys of objects or indexes of lists,
	// separated by dots. A key that contains a dot takes precedence over a path of the same text; `\.` is a dot of a key.
	// Without columns, the line has everything that the document selects.
	Columns []string
	// Header writes the names of the columns first, in CSV and in a table.
	Header bool
	// BOM writes a byte order mark before everything else, by which Excel recognizes UTF-8. Lines that begin after
	// [Options].After and have no header get none, since they continue others.
	BOM bool `json:",omitzero"`
}

const byteOrderMark = "\ufeff"

// rows turns calls into lines.
type rows struct {
	RowOptions
	paths  [][]string
	filled []bool // the columns for which a call had a value
	widths []int  // of the columns of a table, once they are known
	buffer bytes.Buffer
}

// newRows checks the columns against what the document selects.
func newRows(o RowOptions, fields []*ast.Field) (*rows, error) {
	r := &rows{RowOptions: o}
	if o.Format != NDJSON && o.Format != "" && len(o.Columns) == 0 {
		r.Columns = names(fields)
	}
	for i, column := range r.Columns {
		path := splitPath(column)
		if err := checkPath(path, fields); err != nil {
			return nil, fmt.Errorf("column %q: %w", column, err)
		}
		if slices.Contains(r.Columns[:i], column) {
			return nil, fmt.Errorf("column %q comes twice", column)
		}
		r.paths = append(r.paths, path)
	}
	r.filled = make([]bool, len(r.paths))
	return r, nil
}

// empty returns those of some columns for which no call had a value.
func (r *rows) empty(columns []string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(column string) bool {
		i := slices.Index(r.Columns, column)
		return i >= 0 && r.filled[i]
	})
}

// value returns a call's value for a column; null if there is none.
func (r *rows) value(column int, fields map[string]jsontext.Value) jsontext.Value {
	path := r.paths[column]
	value := find(fields[path[0]], path[1:])
	if value == nil {
		return jsontext.Value("null")
	}
	if value.Kind() != 'n' {
		r.filled[column] = true
	}
	return value
}

// lines returns the lines of some calls, valid until the next call of lines. The header precedes the first lines.
func (r *rows) lines(calls []jsontext.Value, first bool) ([]byte, error) {
	r.buffer.Reset()
	if first && r.BOM {
		r.buffer.WriteString(byteOrderMark)
	}
	write := r.ndjson
	switch r.Format {
	case CSV:
		write = r.csv
	case Table:
		write = r.table
	}
	err := write(calls, first && r.Header)
	return r.buffer.Bytes(), err
}

// ndjson writes calls as NDJSON, which has no header.
func (r *rows) ndjson(calls []jsontext.Value, _ bool) error {
	for _, call := range calls {
		if err := r.object(call); err != nil {
			return err
		}
	}
	return nil
}

// object writes a call as one line of JSON, with its values as they came, except for the white space between them.
// Without columns, it compacts the call itself.
func (r *rows) object(call jsontext.Value) error {
	line := call
	if len(r.paths) > 0 {
		fields, err := object(call)
		if err != nil {
			return err
		}
		line = jsontext.Value{'{'}
		for i := range r.paths {
			if i > 0 {
				line = append(line, ',')
			}
			line = append(append(append(line, quote(r.Columns[i])...), ':'), r.value(i, fields)...)
		}
		line = append(line, '}')
	}
	if err := line.Compact(); err != nil { // a value of upstream may have line ends
		return err
	}
	r.buffer.Write(line)
	return r.buffer.WriteByte('\n')
}

// csv writes calls as CSV.
func (r *rows) csv(calls []jsontext.Value, header bool) error {
	w := csv.NewWriter(&r.buffer)
	if header {
		_ = w.Write(r.Columns) // to memory
	}
	record := make([]string, len(r.paths))
	for _, call := range calls {
		fields, err := object(call)
		if err != nil {
			return err
		}
		for i := range r.paths {
			if record[i], err = cell(r.value(i, fields)); err != nil {
				return err
			}
		}
		if len(record) == 1 && record[0] == "" { // readers skip empty lines
			w.Flush()
			r.buffer.WriteString("\"\"\n")
			continue
		}
		_ = w.Write(record)
	}
	w.Flush()
	return w.Error()
}

func object(value jsontext.Value) (fields map[string]jsontext.Value, err error) {
	err = json.Unmarshal(value, &fields, asItCame())
	return fields, err
}

// cell returns a value in CSV.
func cell(value jsontext.Value) (string, error) {
	text, err := plainText(value)
	if value.Kind() == '"' {
		text = harmless(text)
	}
	return text, err
}

// plainText returns a value as text: texts as they are, null as an empty one, and JSON for everything else.
func plainText(value jsontext.Value) (string, error) {
	switch value.Kind() {
	case 'n':
		return "", nil
	case '"':
		var text string
		err := json.Unmarshal(value, &text, asItCame())
		return text, err
	default:
		value = value.Clone()
		err := value.Compact()
		return string(value), err
	}
}

// plain matches numbers and phone numbers.
var plain = regexp.MustCompile(`^[+-]?[0-9 ().-]+$`)

// risky are the characters with which a formula begins in spreadsheets, in ASCII and in the full width of Japanese
// ones, and the byte order mark, which readers remove from the beginning of a file.
const risky = "=+-@＝＋－＠\ufeff"

// harmless keeps spreadsheets from reading a text as a formula. A cell may hold what somebody said on the phone. OWASP
// ("CSV Injection") lists the characters with which a formula begins; a quote before them makes the cell a text.
// Readers skip control characters, including NUL and line ends, so a formula may begin after one. Numbers and phone
// numbers, which begin with a sign, are harmless and stay as they are. NDJSON has all texts as they are.
func harmless(text string) string {
	first, _ := utf8.DecodeRuneInString(text)
	if text != "" && (strings.ContainsRune(risky, first) || unicode.IsControl(first)) && !plain.MatchString(text) {
		return "'" + text
	}
	return text
}

// quote returns a text as a JSON string, which is also a GraphQL string.
func quote(text string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, text) // the only error is invalid UTF-8, which it replaces
	return quoted
}
