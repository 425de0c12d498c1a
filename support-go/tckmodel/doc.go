// Package tckmodel is the user function that the TCK judges this library by: the services of cloudstate.tck.model.
//
// What enters: requests that list what to do (emit, update, forward, fail, ...). What leaves: exactly that, done through
// the library. It is also a small example of each kind of entity. It never does anything that it was not asked for.
package tckmodel
