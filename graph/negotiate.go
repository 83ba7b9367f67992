package graph

// The two media types of a response, the one first that a client gets which has no preference.
const (
	applicationJSON     = "application/json"
	applicationResponse = "application/graphql-response+json"
)

// The content codings of a response, the one first that makes it smallest.
const (
	encodingBrotli = "br"
	encodingGzip   = "gzip"
)
