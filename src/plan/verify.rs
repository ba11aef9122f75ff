use super::Plan;
/// x
pub fn verify(_plan: &Plan) -> Vec<String> {
    Vec::new()
}
