#pragma once

#include <boost/math/policies/policy.hpp>

namespace muster::registry::statistics {

/// Boost.Math that answers NaN or infinity where it would throw.
using Quiet = boost::math::policies::policy<
    boost::math::policies::domain_error<boost::math::policies::ignore_error>,
    boost::math::policies::pole_error<boost::math::policies::ignore_error>,
    boost::math::policies::overflow_error<boost::math::policies::ignore_error>,
    boost::math::policies::evaluation_error<boost::math::policies::ignore_error>>;

}  // namespace muster::registry::statistics
