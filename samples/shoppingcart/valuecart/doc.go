// Package valuecart is the shopping cart as a value entity, com.example.valueentity.shoppingcart.ShoppingCart.
//
// What enters: commands to add and remove items, and to read and remove a cart. What leaves: the whole cart each time it
// changes, which is all that is stored, and the cart as it stands. It never keeps anything of a cart but that value.
package valuecart
