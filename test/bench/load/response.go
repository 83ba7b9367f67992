package load

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// said is an entry of a transcript, as the gateway and upstream both have it.
type TranscriptEntry struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// connection is what is looked at of an answer.
type Connection struct {
	Nodes []struct {
		ID         string            `json:"id"`
		Transcript []TranscriptEntry `json:"transcript"`
	} `json:"nodes"`
	PageInfo struct {
		HasNextPage bool   `json:"hasNextPage"`
		EndCursor   string `json:"endCursor"`
	} `json:"pageInfo"`
}

// readAnswer reads an answer without errors.
func ReadCalls(body []byte) (*Connection, error) {
	var a struct {
		Data struct {
			Calls *Connection `json:"calls"`
		} `json:"data"`
		Errors json.RawMessage `json:"errors"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("an answer is no JSON: %w: %.500s", err, body)
	}
	if a.Errors != nil || a.Data.Calls == nil {
		return nil, fmt.Errorf("an answer has errors: %.500s", body)
	}
	return a.Data.Calls, nil
}

// nodes is the JSON of an answer's calls, without spaces and with the characters escaped that encoding/json escapes, as
// gqlgen's own transport has them.
func Nodes(body []byte) ([]byte, error) {
	var a struct {
		Data struct {
			Calls struct {
				Nodes json.RawMessage `json:"nodes"`
			} `json:"calls"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("an answer is no JSON: %w", err)
	}
	var compact, escaped bytes.Buffer
	if err := json.Compact(&compact, a.Data.Calls.Nodes); err != nil {
		return nil, fmt.Errorf("an answer is no JSON: %w", err)
	}
	json.HTMLEscape(&escaped, compact.Bytes())
	return escaped.Bytes(), nil
}

// errorCode is the code of the first error of an answer or of the text of an error; empty where there is none.
func ErrorCode(body []byte) string {
	_, rest, found := bytes.Cut(body, []byte(`"code":"`))
	code, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended {
		return ""
	}
	return string(code)
}
