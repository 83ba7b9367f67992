package graph

import (
	"errors"
	"io"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/go-json-experiment/json/jsontext"

	"revox-graphql/upstream"
)

// MarshalDateTime writes RFC 3339 text in UTC, with milliseconds where upstream sent a fraction.
func MarshalDateTime(t upstream.Time) graphql.Marshaler {
	layout := "2006-01-02T15:04:05Z"
	if t.Millis {
		layout = "2006-01-02T15:04:05.000Z"
	}
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(t.UTC().Format(layout))) })
}

// UnmarshalDateTime refuses: no argument of the schema is a DateTime.
func UnmarshalDateTime(any) (upstream.Time, error) {
	return upstream.Time{}, errors.New("DateTime is not an input type of this schema")
}

// MarshalJSON writes the value as it is.
func MarshalJSON(value jsontext.Value) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = w.Write(value) })
}

// UnmarshalJSON refuses: no argument of the schema is JSON.
func UnmarshalJSON(any) (jsontext.Value, error) {
	return nil, errors.New("JSON is not an input type of this schema")
}
