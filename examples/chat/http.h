// The little HTTP/1.1 that the chat needs: the page, and the upgrade to WebSocket at /chat.
#ifndef HTTP_H
#define HTTP_H

#include "client.h"

// Reads the page. False: there is none.
int load_page(const char* path);

// Answers the next request in the client's input. 0: there is no whole one; 1: answered; 2: the
// client speaks WebSocket from here on.
int answer_request(Client* client);

#endif
