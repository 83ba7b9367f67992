package negotiate

import "testing"

func TestMediaType(t *testing.T) {
	const json, response = "application/json", "application/graphql-response+json"
	for accept, want := range map[string]string{
		"":                                     json,
		" , ":                                  json,
		"*/*":                                  json,
		"application/*":                        json,
		"application/*, */*;q=0.1":             json,
		response:                               response,
		json + ", " + response:                 json,
		response + ", " + json:                 response,
		response + ", " + json + ";q=0.9":      response,
		json + ";q=0.5, " + response:           response,
		"*/*, " + response:                     response,
		"*/*;q=0.1, " + json + ";q=0":          response,
		json + ";q=0":                          "",
		"text/html":                            "",
		"text/html, */*;q=0":                   "",
		"text/event-stream, " + json:           json,
		response + ";q=high":                   "",
		json + "; charset=utf-8":               json,
		"application/json;q=0.2,*/*;q=0.9":     response,
		"application/;;, " + json:              json,
		"multipart/mixed;deferSpec=1," + json:  json,
		"APPLICATION/JSON":                     json,
		response + ";q=0.5," + json + ";q=0.5": response,
	} {
		got, ok := MediaType([]string{accept}, json, response)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", accept, got, ok, want)
		}
	}
	if got, _ := MediaType([]string{"text/html", response}, json, response); got != response {
		t.Errorf("two fields: %q", got)
	}
}

func TestEncoding(t *testing.T) {
	for accept, want := range map[string]string{
		"":                                "",
		"gzip":                            "gzip",
		"x-gzip":                          "gzip",
		"GZIP":                            "gzip",
		"gzip, br":                        "br",
		"gzip, deflate, br, zstd":         "br",
		"gzip;q=1, br;q=0.5":              "gzip",
		"*":                               "br",
		"br;q=0, *":                       "gzip",
		"identity, gzip;q=0.5":            "",
		"identity;q=0.5, gzip;q=0.5":      "gzip",
		"gzip;q=0":                        "",
		"gzip;q=2":                        "",
		"gzip;q=NaN":                      "",
		"gzip;q=x, br":                    "br",
		"gzip; Q = 0.3":                   "gzip",
		"identity;q=0":                    "",
		"deflate":                         "",
		"gzip;level=3":                    "gzip",
		", ,gzip":                         "gzip",
		"identity;q=0.1, *;q=0, gzip;q=0": "",
	} {
		if got := Encoding([]string{accept}, "br", "gzip"); got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
	if got := Encoding([]string{"gzip;q=0.5", "br"}, "br", "gzip"); got != "br" {
		t.Errorf("two fields: %q", got)
	}
	if got := Encoding([]string{"br, gzip"}, "gzip"); got != "gzip" {
		t.Errorf("one offer: %q", got)
	}
}
