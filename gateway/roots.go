package gateway

// Where the system has no certificates to trust, as in an image from scratch, Mozilla's are used, as the Go project
// packs them. The system's come first, and so does SSL_CERT_FILE.
import _ "golang.org/x/crypto/x509roots/fallback"
