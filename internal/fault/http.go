package fault

import "net/http"

// Status is the HTTP status of a kind.
func (k Kind) Status() int {
	switch k {
	case Invalid:
		return http.StatusBadRequest
	case Unauthenticated:
		return http.StatusUnauthorized
	case Denied:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Gone:
		return http.StatusGone
	case RateLimited:
		return http.StatusTooManyRequests
	case Unavailable:
		return http.StatusServiceUnavailable
	case Unsupported:
		return http.StatusNotImplemented
	default:
		return http.StatusInternalServerError
	}
}

// BackstageName is the error name that Backstage's clients know for a kind.
func (k Kind) BackstageName() string {
	switch k {
	case Invalid:
		return "InputError"
	case Unauthenticated:
		return "AuthenticationError"
	case Denied:
		return "NotAllowedError"
	case NotFound:
		return "NotFoundError"
	case Conflict, Gone:
		return "ConflictError"
	case Unavailable:
		return "ServiceUnavailableError"
	case RateLimited:
		return "TooManyRequestsError"
	case Unsupported:
		return "NotImplementedError"
	default:
		return "Error"
	}
}
