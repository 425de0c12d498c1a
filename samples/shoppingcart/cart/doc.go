// Package cart is the shopping cart as an event sourced entity, com.example.shoppingcart.ShoppingCart.
//
// What enters: commands to add and remove items and to read a cart. What leaves: the events ItemAdded and ItemRemoved,
// which are all that is stored, and the cart as it stands. It never changes a cart but through its events.
package cart
