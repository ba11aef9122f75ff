use super::Plan;
/// x
pub fn print(_plan: &Plan) -> String {
    String::new()
}
