#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/online.h"

namespace tenon::pipeline {

// A request {"instances":[{...}]} with the features that the model reads added to each instance, looked up by the entity
// columns in it: {"customer_id": 7} gets "customer.amount_mean_7d". An entity that is not online, or whose latest event is older than
// the view's ttl at the instance's time (its time column, else now), gets what an entity without events has. A feature that the
// instance brings stays where `overrides`, and is an error otherwise. Columns that only name entities and times are taken out.
// `fields`: what the model reads. The body as it was when none of them is a feature of a view. Errors: invalid_argument naming the instance.
Result<std::string> CompleteInstances(const OnlineFeatures& features, Micros now, bool overrides, std::string_view body, const std::vector<std::string>& fields);

}  // namespace tenon::pipeline
