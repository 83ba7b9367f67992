package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"revox-graphql/upstream/fake"
)

// address is where the program listens.
func (p *program) address() string {
	return strings.TrimSuffix(strings.TrimPrefix(p.url, "http://"), "/")
}

// raw sends bytes as they are, and returns all that comes back.
func (p *program) raw(t *testing.T, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// A client that leaves while its query runs is told apart from failures, in the log and in the metrics.
func TestClientsThatLeaveAreNoErrors(t *testing.T) {
	arrived, goOn := make(chan struct{}, 10), make(chan struct{})
	defer close(goOn)
	p := start(t, upstreamOf(t, func(int, *http.Request) *fake.Answer {
		arrived <- struct{}{}
		<-goOn
		return nil
	}, "GATEWAY_LOG_FORMAT", "json"))
	conn, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"query": "query Left { calls(first: 2) { nodes { id } } }"}`
	_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	<-arrived
	_ = conn.Close()
	const counted = "\nrevox_graphql_requests_total{code=\"CLIENT_CLOSED_REQUEST\",operation=\"Left\"} 1\n"
	for began := time.Now(); ; {
		if _, metrics := p.get(t, "metrics"); strings.Contains(metrics, counted) {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("it is not counted\n%s", p.log)
		}
	}
	for began := time.Now(); ; { // it is logged after it has been counted
		if lines := requestLines(t, p.log.String()); len(lines) == 1 {
			if lines[0]["status"] != 499. || lines[0]["code"] != "CLIENT_CLOSED_REQUEST" || lines[0]["operation"] != "Left" {
				t.Errorf("%v", lines[0])
			}
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("it is not logged\n%s", p.log)
		}
	}
	if log := p.log.String(); strings.Contains(log, "ERROR") || strings.Contains(log, "WARN") {
		t.Errorf("log: %s", log)
	}
}
