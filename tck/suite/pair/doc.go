// Package pair holds the cases that judge a real proxy with a real user function, which serves the TCK's model: the kit is the client in front,
// and the interceptor between the two has recorded what they said to each other.
//
// What enters: both targets and the recorded conversation, as package suite hands them over. What leaves: [Cases].
//
// Each case looks twice: at what the client got, and at what passed between proxy and user function for the entity ids that the case made up. What
// either party alone must do is judged by the suites of frontend and proxy; here it is shown that they work together. Where the standard
// leaves a user function a choice (to ask for a restart after a failure, or to roll back), either way must work, and what follows is held against the choice made.
//
// The cases play no party, and send nothing to the user function themselves.
package pair
