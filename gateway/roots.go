package gateway

// Where the system has no root certificates, as in an image from scratch, the program uses Mozilla's, as the Go project
// packages them. The system's, and SSL_CERT_FILE, take precedence.
import _ "golang.org/x/crypto/x509roots/fallback"
